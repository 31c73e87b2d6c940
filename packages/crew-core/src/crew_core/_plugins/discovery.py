"""Finds installed plugins by their entry points and asks each what it registers.

Not pluggy's ``load_setuptools_entrypoints``: there the first broken plugin keeps all others from
being registered. Here each is loaded on its own, and a broken one is remembered for the moment at
which somebody asks for what it should have brought.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version

import pluggy

from crew_core._plugins import builtin, hookspecs
from crew_core._plugins.contract import check_hooks, check_names
from crew_core._plugins.markers import PROJECT

DISABLE_VARIABLE = "CREW_DISABLE_PLUGINS"
"""Names of entry points or distributions to leave alone, separated by commas, or "all"."""

OWN_PACKAGE = "crew-core"

_UNKNOWN = ("an unknown package", "?")

_SPECS = {name for name in vars(hookspecs) if name.startswith("crew_")}


@dataclass(frozen=True, kw_only=True)
class Provider:
    """Who registered a name, and for what class."""

    name: str
    path: str
    package: str
    version: str


@dataclass(frozen=True, kw_only=True)
class BrokenPlugin:
    """An entry point that could not be used."""

    entry_point: str
    path: str
    package: str
    version: str
    error: Exception

    def __str__(self) -> str:
        return (
            f"plugin {self.entry_point!r} of {self.package} {self.version} ({self.path}) is "
            f"broken: {type(self.error).__name__}: {self.error}"
        )


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """All that the installed plugins register. ``manager`` is for calling observers."""

    manager: pluggy.PluginManager
    launchers: dict[str, list[Provider]] = field(default_factory=dict)
    monitors: dict[str, list[Provider]] = field(default_factory=dict)
    broken: list[BrokenPlugin] = field(default_factory=list)


def discover() -> Discovery:
    """Load crew's own plugin and every installed one that is not disabled."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    discovery = Discovery(manager=manager)
    _register(discovery, builtin, "builtin", OWN_PACKAGE, own_version())
    for entry in _wanted_entry_points():
        package, package_version = _distribution_of(entry)
        try:
            _register(discovery, entry.load(), entry.name, package, package_version)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything, others must go on
            discovery.broken.append(
                BrokenPlugin(
                    entry_point=entry.name,
                    path=entry.value,
                    package=package,
                    version=package_version,
                    error=error,
                )
            )
    return discovery


def own_version() -> str:
    """The version of crew-core; "unknown" when it runs from a source tree without metadata."""
    try:
        return version(OWN_PACKAGE)
    except PackageNotFoundError:
        return "unknown"


def _register(
    discovery: Discovery, plugin: object, name: str, package: str, package_version: str
) -> None:
    manager = discovery.manager
    check_hooks(manager, plugin, _SPECS)
    full_name = f"{package}:{name}"
    manager.register(plugin, name=full_name)
    try:
        launchers = _ask(manager, full_name, "crew_launchers")
        monitors = _ask(manager, full_name, "crew_monitors")
    except Exception:
        # A plugin that is broken in part would be hard to understand: it is in or it is out.
        manager.unregister(name=full_name)
        raise
    for table, names in ((discovery.launchers, launchers), (discovery.monitors, monitors)):
        for key, path in names.items():
            provider = Provider(name=key, path=path, package=package, version=package_version)
            table.setdefault(key, []).append(provider)


def _ask(manager: pluggy.PluginManager, plugin_name: str, hook: str) -> dict[str, str]:
    names: dict[str, str] = {}
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        if implementation.plugin_name == plugin_name:
            names |= check_names(hook, implementation.function())
    return names


def _wanted_entry_points() -> Iterator[EntryPoint]:
    text = os.environ.get(DISABLE_VARIABLE, "")
    disabled = {plain_name(word) for word in text.split(",") if word.strip()}
    if "all" in disabled:
        return
    for entry in sorted(entry_points(group=PROJECT), key=lambda entry: (entry.name, entry.value)):
        if not {plain_name(entry.name), plain_name(_distribution_of(entry)[0])} & disabled:
            yield entry


def _distribution_of(entry: EntryPoint) -> tuple[str, str]:
    dist = entry.dist
    try:
        return (dist.name, dist.version) if dist and dist.name else _UNKNOWN
    except KeyError:  # its metadata is damaged, which newer Pythons say this way
        return _UNKNOWN


def plain_name(name: str) -> str:
    """A name as package indexes compare them."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
