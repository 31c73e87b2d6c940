"""What a search for plugins has found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from crew_core._plugins import builtin

if TYPE_CHECKING:
    import pluggy

OWN_PACKAGE = "crew-core"


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """Who registered a name, and for what class. ``own`` for what comes with crew-core."""

    name: str
    path: str
    package: str
    plugin_version: str | None

    @property
    def own(self) -> bool:
        """It comes with crew-core."""
        return self.plugin_version is None

    @property
    def version(self) -> str:
        """Of its package."""
        return own_version() if self.plugin_version is None else self.plugin_version


class BrokenPlugin(msgspec.Struct, frozen=True, kw_only=True):
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


class Discovery(msgspec.Struct, frozen=True, kw_only=True):
    """All launchers, monitors and command runners that there are.

    Attributes:
        manager: for calling observers; None when no plugin is installed.
    """

    manager: pluggy.PluginManager | None = None
    launchers: dict[str, list[Provider]] = {}
    monitors: dict[str, list[Provider]] = {}
    runners: dict[str, list[Provider]] = {}
    broken: list[BrokenPlugin] = []

    def __post_init__(self) -> None:
        note(self.launchers, builtin.LAUNCHERS, OWN_PACKAGE, None)
        note(self.monitors, builtin.MONITORS, OWN_PACKAGE, None)


def note(
    table: dict[str, list[Provider]], paths: dict[str, str], package: str, version: str | None
) -> None:
    """Enter what a package registers."""
    for name, path in paths.items():
        provider = Provider(name=name, path=path, package=package, plugin_version=version)
        table.setdefault(name, []).append(provider)


def own_version() -> str:
    """The version of crew-core; "unknown" when it runs from a source tree without metadata."""
    from importlib.metadata import PackageNotFoundError, version  # it takes long to import

    try:
        return version(OWN_PACKAGE)
    except PackageNotFoundError:
        return "unknown"
