"""Makes controllers and monitors from a name and flat keywords."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from crew_core._controller import configuration
from crew_core._launcher.base import Launcher
from crew_core._launcher.monitor import Monitor
from crew_core._model.errors import ConfigError
from crew_core._model.options import Groups, make_options, nearest, split
from crew_core._model.quick_imports import without_collections
from crew_core._plugins.registry import find_launcher, find_monitor

if TYPE_CHECKING:
    from crew_core._controller.controller import Controller
    from crew_core._controller.group import ControllerGroup
    from crew_core._launcher.local_monitor import LocalMonitor


def controller(which: str | Launcher = "local", **options: Any) -> Controller:
    """A controller, not started yet.

    Args:
        which: the name of a controller in the configuration, else the name of a launcher
            ("local", "slurm", ...; "sequential" runs tasks in this process, for debugging) or its
            dotted path "package.module:Class", or a launcher.
        options: the common options and the launcher's own, by name. They win over the
            configuration's.

    Raises:
        ConfigError: for an unknown option or an impossible value, here or in a configuration file.
        TypeError: for a value of the wrong type.
        PluginNotFoundError: when nothing is installed that provides the launcher.
        PluginError: when what provides it is broken.

    Example::

        >>> with crew.controller("local", name="example", workers=2, seconds_idle=10) as controller:
        ...     controller.push("6 * 7").result()
        42
    """
    return Family({}).make(which, options)


def controllers(path: str | os.PathLike[str] | None = None, **options: Any) -> ControllerGroup:
    r"""A group of all controllers in a configuration file, none started yet.

    Args:
        path: a ``crew.toml`` or ``pyproject.toml``; None: all that ``crew.controller`` would find
            by name, wherever configuration is looked for.
        options: common options that hold for every controller. They win over the file's.

    Raises:
        ConfigError: for a file that cannot be read, that describes no controller, or that gives two
            the same name; for an unknown option or an impossible value, here or in the file.
        TypeError: for a value of the wrong type.
        PluginNotFoundError: when nothing is installed that provides a launcher.
        PluginError: when what provides one is broken.

    Example::

        >>> import pathlib, tempfile
        >>> import crew_core as crew
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "crew.toml")
        ...     _ = file.write_text('[controllers.cpu]\nlauncher = "local"\nworkers = 2')
        ...     print(crew.controllers(file))
        <crew group of 'cpu': 0 tasks>
    """
    from crew_core._controller.group import ControllerGroup

    if "name" in options:
        raise ConfigError("controllers(name=...): each has a name of its own in the file")
    found = configuration.sections(None if path is None else Path(path))
    if not found:
        where = "any configuration file" if path is None else os.fspath(path)
        raise ConfigError(f"no controllers in {where}: describe each in a table [controllers.NAME]")
    family = Family(options)
    return ControllerGroup(*(family.member(section) for section in found))


@overload
def monitor(which: Literal["local"] = "local") -> LocalMonitor: ...
@overload
def monitor(which: str, **options: Any) -> Monitor: ...
def monitor(which: str = "local", **options: Any) -> Monitor:
    """A monitor: lists and ends a platform's jobs.

    Args:
        which: the monitor's name, usually that of a launcher, or its dotted path.
        options: the monitor's own options.

    Raises:
        ConfigError: for an unknown option or an impossible value.
        TypeError: for a value of the wrong type.
        PluginNotFoundError: when nothing is installed that provides the monitor.
        PluginError: when what provides it is broken.

    Example::

        >>> "pid" in crew.monitor("local").workers().columns
        True
    """
    if not isinstance(which, str):
        raise TypeError(f"which={which!r}: must be a monitor's name, not {type(which).__name__}")
    kind = find_monitor(which)
    return kind(make_options(kind.Options, options))


class Family:
    """Makes controllers, of which one may name another as its backup; each is made once.

    Args:
        options: hold for every member.
    """

    def __init__(self, options: Mapping[str, object]) -> None:
        self._options = options
        self._made: dict[tuple[Path, str], Controller] = {}
        self._making: list[str] = []

    def make(self, which: object, options: Mapping[str, object]) -> Controller:
        """A controller with options of its own: what ``crew.controller`` returns."""
        section = configuration.find(which) if isinstance(which, str) else None
        if section is None:
            return self._build(*resolve(which, options), None)
        self._making.append(section.name)
        launcher, groups = _by_section(section, options)
        made = self._build(launcher, groups, None if "backup" in options else section.path)
        self._making.pop()
        return made

    def member(self, section: configuration.Section) -> Controller:
        """The controller that this section describes; always the same one."""
        key = section.path, section.name
        if key not in self._made:
            self._making.append(section.name)
            self._made[key] = self._build(*_by_section(section, self._options), section.path)
            self._making.pop()
        return self._made[key]

    def _build(self, launcher: Launcher, groups: Groups, path: Path | None) -> Controller:
        with without_collections():
            from crew_core._controller.controller import Controller

        retry = groups.retry
        if isinstance(retry.backup, str):
            retry = replace(retry, backup=self._backup(retry.backup, path))
        return Controller(
            launcher,
            client=groups.client,
            worker=groups.worker,
            scaling=groups.scaling,
            retry=retry,
            log=groups.log,
            network=groups.network,
        )

    def _backup(self, name: str, path: Path | None) -> Controller:
        if name in self._making:
            chain = " -> ".join([*self._making[self._making.index(name) :], name])
            raise ConfigError(f"backup={name!r}: the backups go in a circle, {chain}. Take one out")
        section = configuration.find(name, path)
        if section is None:
            where = "the configuration" if path is None else str(path)
            hint = nearest(name, configuration.names(path))
            raise ConfigError(f"backup={name!r}: {where} describes no such controller.{hint}")
        return self.member(section)


def resolve(which: object, options: Mapping[str, object]) -> tuple[Launcher, Groups]:
    """The launcher that is meant, with its options, and the common options."""
    if isinstance(which, Launcher):
        return which, split(options, _NoMoreOptions)
    if not isinstance(which, str):
        hint = "; make an object of the class" if isinstance(which, type) else ""
        raise TypeError(f"which={which!r}: must be a name or a Launcher object{hint}")
    section = configuration.find(which)
    return _by_name(which, options) if section is None else _by_section(section, options)


def _by_section(
    section: configuration.Section, options: Mapping[str, object]
) -> tuple[Launcher, Groups]:
    with _naming(section):
        return _by_name(section.launcher, {"name": section.name, **section.options, **options})


@dataclass(frozen=True, kw_only=True)
class _NoMoreOptions:
    """A Launcher object has its own options already."""


def _by_name(name: str, options: Mapping[str, object]) -> tuple[Launcher, Groups]:
    kind = find_launcher(name, configuration.names())
    groups = split(options, kind.Options)
    launcher = kind(groups.launcher)
    if ":" not in name:
        launcher._rename(name)
    return launcher, groups


@contextmanager
def _naming(section: configuration.Section) -> Iterator[None]:
    """Say in errors about options which configuration file was read."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{_origin(section)}: {error}") from error
    except TypeError as error:
        raise TypeError(f"{_origin(section)}: {error}") from error


def _origin(section: configuration.Section) -> str:
    return f"controller {section.name!r} of {section.path}"
