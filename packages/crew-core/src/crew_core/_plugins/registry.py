"""Answers which launchers, monitors and runners there are, and brings the one that is asked for.

Plugins are looked for once per process, at the first question. Only the class that is asked for is
imported.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn

from crew_core._launcher.base import Launcher
from crew_core._launcher.monitor import Monitor
from crew_core._model.errors import PluginError, PluginNotFoundError
from crew_core._model.options import nearest
from crew_core._plugins.contract import is_dotted_path, load_class
from crew_core._plugins.findings import BrokenPlugin, Discovery, Provider
from crew_core._plugins.presence import may_have_plugins

if TYPE_CHECKING:
    from crew_core._launcher.command_runner import CommandRunner

_log = logging.getLogger("crew.plugins")

WELL_KNOWN = {
    "slurm": "crew-cluster",
    "sge": "crew-cluster",
    "lsf": "crew-cluster",
    "pbs": "crew-cluster",
    "torque": "crew-cluster",
    "aws_batch": "crew-aws-batch",
    "ssh": "crew-ssh",
}
"""Which package brings a launcher, monitor or command runner that is not installed."""


@dataclass(frozen=True, kw_only=True)
class LauncherInfo:
    """One line of ``crew launchers``. For a broken plugin, ``name`` is its entry point's."""

    name: str
    package: str
    version: str
    path: str
    problem: str | None = None


@lru_cache(maxsize=1)
def registry() -> Discovery:
    """What the installed plugins register; looked for at the first call."""
    if not may_have_plugins():
        return Discovery()
    from crew_core._plugins.discovery import discover

    return discover()


def fresh() -> Discovery:
    """Look for plugins again. For tests."""
    registry.cache_clear()
    return registry()


def find_launcher(name: str, configured: Sequence[str] = ()) -> type[Launcher]:
    """The launcher of this name, or of a dotted path "package.module:Class".

    Args:
        name: the name or path.
        configured: names that would have been good as well, for the message.

    Raises:
        PluginNotFoundError: nothing installed provides it.
        PluginContractError: it does not fit this crew-core.
        PluginError: its plugin is broken, or several packages provide the name.
    """
    return _find("launcher", name, registry().launchers, Launcher, configured)


def find_monitor(name: str) -> type[Monitor]:
    """The monitor of this name or dotted path. Raises as ``find_launcher`` does."""
    return _find("monitor", name, registry().monitors, Monitor, ())


def find_runner(name: str) -> type[CommandRunner]:
    """What reaches "NAME://...". Raises as ``find_launcher`` does."""
    from crew_core._launcher.command_runner import CommandRunner  # few have one

    return _find("runner", name, registry().runners, CommandRunner, ())


def launchers() -> list[LauncherInfo]:
    """What is installed, by name, and every broken plugin. Imports no launcher."""
    found = [
        LauncherInfo(
            name=provider.name,
            package=provider.package,
            version=provider.version,
            path=provider.path,
            problem=_rivals(name, providers) if len(providers) > 1 else None,
        )
        for name, providers in sorted(registry().launchers.items())
        for provider in providers
    ]
    broken = [
        LauncherInfo(
            name=plugin.entry_point,
            package=plugin.package,
            version=plugin.version,
            path=plugin.path,
            problem=str(plugin),
        )
        for plugin in registry().broken
    ]
    return found + broken


def is_observed(hook: str) -> bool:
    """True when some plugin implements this hook; lets a hot path skip ``notify``."""
    return bool(_observers(hook))


def notify(hook: str, **facts: object) -> None:
    """Tell every observer. What one raises is logged under its name and keeps none from hearing."""
    for observer in reversed(_observers(hook)):
        try:
            observer.function(*[facts[name] for name in observer.argnames])
        except Exception:  # noqa: BLE001 - an observer may raise anything, and must not harm the run
            _log.exception("plugin %s failed in %s", observer.plugin_name, hook)


def _observers(hook: str) -> Sequence[Any]:
    manager = registry().manager
    return () if manager is None else getattr(manager.hook, hook).get_hookimpls()


def _find(
    what: str,
    name: str,
    table: dict[str, list[Provider]],
    base: type,
    configured: Sequence[str],
) -> type[Any]:
    if is_dotted_path(name):
        return load_class(name, base, f"{what} {name!r}")
    providers = table.get(name, [])
    if not providers:
        _refuse(what, name, [*table, *configured], registry().broken)
    if len(providers) > 1:
        raise PluginError(_rivals(name, providers))
    (provider,) = providers
    origin = provider.path
    if not provider.own:  # of ours, the version is not worth the search for it
        origin += f", from {provider.package} {provider.version}"
    return load_class(provider.path, base, f"{what} {name!r} ({origin})")


def _refuse(
    what: str, name: str, known: Collection[str], broken: Sequence[BrokenPlugin]
) -> NoReturn:
    from crew_core._plugins.discovery import plain_name

    package = WELL_KNOWN.get(name)
    for plugin in broken:
        if plain_name(plugin.package) == package:
            raise PluginError(
                f"cannot use {what} {name!r}: {plugin}. Reinstall it: "
                f"pip install --force-reinstall {package}"
            ) from plugin.error
    message = f"no {what} {name!r}. Known here: {', '.join(sorted(known))}.{nearest(name, known)}"
    if package in _installed_packages():
        message += f" The installed {package} does not provide it; another version may."
    elif package:
        message += f" {package} provides it: pip install {package}"
    if broken:
        message += " It may belong to a broken plugin: " + "; ".join(map(str, broken))
    raise PluginNotFoundError(message)


def _installed_packages() -> set[str]:
    from crew_core._plugins.discovery import plain_name

    tables = (registry().launchers, registry().monitors, registry().runners)
    providers = [p for table in tables for entries in table.values() for p in entries]
    return {plain_name(provider.package) for provider in providers}


def _rivals(name: str, providers: Sequence[Provider]) -> str:
    packages = " and ".join(f"{p.package} {p.version} ({p.path})" for p in providers)
    return (
        f"{name!r} is provided by {packages}. Uninstall one, or disable it with "
        "CREW_DISABLE_PLUGINS, or say the dotted path instead of the name"
    )
