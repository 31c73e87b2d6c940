"""Names that people give to commands: completed for them, and turned into controllers."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import click

from crew_core._model.errors import ConfigError, CrewError

if TYPE_CHECKING:
    from crew_core._controller.controller import Controller


def make_controller(name: str, /, **options: Any) -> Controller:
    """The controller of this name in the configuration, or one with this launcher; not started.

    Raises:
        CrewError: as ``crew.controller``; a value of the wrong type is a ConfigError here.
    """
    from crew_core._controller.making import controller

    try:
        return controller(name, **options)
    except TypeError as error:  # from a configuration file, as nothing else is given
        raise ConfigError(str(error)) from error


def complete_controllers(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Controllers of the configuration, and launchers, that begin so."""
    from crew_core._controller import configuration
    from crew_core._plugins.registry import registry

    names = set(registry().launchers)
    with contextlib.suppress(CrewError):  # whoever runs the command is told what is wrong
        names |= set(configuration.names())
    return sorted(name for name in names if name.startswith(incomplete))


def complete_launchers(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Launchers that begin so."""
    from crew_core._plugins.registry import registry

    return sorted(name for name in registry().launchers if name.startswith(incomplete))


def complete_monitors(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Monitors that begin so."""
    from crew_core._plugins.registry import registry

    return sorted(name for name in registry().monitors if name.startswith(incomplete))


def complete_sessions(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Controllers of sessions on this computer that begin so."""
    from crew_core._controller import journal

    stories = journal.read_all(journal.directory())
    names = {story.header.controller for story in stories}
    return sorted(name for name in names if name.startswith(incomplete))
