"""Finds installed plugins by their entry points and asks each what it registers.

Not pluggy's ``load_setuptools_entrypoints``: there the first broken plugin keeps all others from
being registered. Here each is loaded on its own, and a broken one is remembered for the moment at
which somebody asks for what it should have brought.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points

import pluggy

from crew_core._plugins import hookspecs
from crew_core._plugins.contract import check_hooks, check_names
from crew_core._plugins.findings import BrokenPlugin, Discovery, note
from crew_core._plugins.presence import DISABLE_VARIABLE, GROUP

_UNKNOWN = ("an unknown package", "?")

_SPECS = {name for name in vars(hookspecs) if name.startswith("crew_")}


def discover() -> Discovery:
    """Load every installed plugin that is not disabled."""
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    discovery = Discovery(manager=manager)
    for entry in _wanted_entry_points():
        package, package_version = _distribution_of(entry)
        try:
            _register(discovery, manager, entry.load(), entry.name, package, package_version)
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


def _register(
    discovery: Discovery,
    manager: pluggy.PluginManager,
    plugin: object,
    name: str,
    package: str,
    package_version: str,
) -> None:
    check_hooks(manager, plugin, _SPECS)
    full_name = f"{package}:{name}"
    manager.register(plugin, name=full_name)
    try:
        launchers = _ask(manager, full_name, "crew_launchers")
        monitors = _ask(manager, full_name, "crew_monitors")
        runners = _ask(manager, full_name, "crew_runners")
    except Exception:
        # A plugin that is broken in part would be hard to understand: it is in or it is out.
        manager.unregister(name=full_name)
        raise
    note(discovery.launchers, launchers, package, package_version)
    note(discovery.monitors, monitors, package, package_version)
    note(discovery.runners, runners, package, package_version)


def _ask(manager: pluggy.PluginManager, plugin_name: str, hook: str) -> dict[str, str]:
    names: dict[str, str] = {}
    for implementation in getattr(manager.hook, hook).get_hookimpls():
        if implementation.plugin_name == plugin_name:
            names |= check_names(hook, implementation.function())
    return names


def _wanted_entry_points() -> Iterator[EntryPoint]:
    text = os.environ.get(DISABLE_VARIABLE, "")
    disabled = {plain_name(word) for word in text.split(",") if word.strip()}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
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
