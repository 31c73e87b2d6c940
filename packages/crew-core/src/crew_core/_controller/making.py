"""Makes controllers and monitors from a name and flat keywords."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, overload

from crew_core._controller import configuration
from crew_core._launcher.base import Launcher
from crew_core._launcher.monitor import Monitor
from crew_core._model.errors import ConfigError
from crew_core._model.options import Groups, make_options, split
from crew_core._plugins.registry import find_launcher, find_monitor

if TYPE_CHECKING:
    from crew_core._controller.controller import Controller
    from crew_core._launcher.local_monitor import LocalMonitor


def controller(which: str | Launcher = "local", **options: Any) -> Controller:
    """A controller, not started yet.

    Args:
        which: the name of a controller in the configuration, else the name of a launcher
            ("local", "slurm", ...) or its dotted path "package.module:Class", or a launcher.
        options: the common options and the launcher's own, by name. They win over the
            configuration's.

    Raises:
        ConfigError: for an unknown option or an impossible value, here or in a configuration file.
        TypeError: for a value of the wrong type.
        PluginNotFoundError: when nothing is installed that provides the launcher.
        PluginError: when what provides it is broken.
    """
    from crew_core._controller.controller import Controller

    launcher, groups = resolve(which, options)
    return Controller(
        launcher,
        client=groups.client,
        worker=groups.worker,
        scaling=groups.scaling,
        retry=groups.retry,
        log=groups.log,
    )


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
    """
    if not isinstance(which, str):
        raise TypeError(f"which={which!r}: must be a monitor's name, not {type(which).__name__}")
    kind = find_monitor(which)
    return kind(make_options(kind.Options, options))


def resolve(which: object, options: Mapping[str, object]) -> tuple[Launcher, Groups]:
    """The launcher that is meant, with its options, and the common options."""
    if isinstance(which, Launcher):
        return which, split(options, _NoMoreOptions)
    if not isinstance(which, str):
        hint = "; make an object of the class" if isinstance(which, type) else ""
        raise TypeError(f"which={which!r}: must be a name or a Launcher object{hint}")
    section = configuration.find(which)
    if section is None:
        return _by_name(which, options)
    with _naming(section):
        return _by_name(section.launcher, {"name": which, **section.options, **options})


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
