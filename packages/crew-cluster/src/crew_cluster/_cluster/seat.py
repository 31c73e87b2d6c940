"""Where a scheduler's client is: on this computer, or on a login node that ``via=`` names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from crew_cluster._cluster import environment
from crew_cluster._cluster.commands import Run, Runner
from crew_cluster._cluster.elsewhere import RunElsewhere, ShelfElsewhere, beyond
from crew_cluster._cluster.folder import scripts_directory
from crew_cluster._cluster.scheduler import Scheduler
from crew_cluster._cluster.shelf import Shelf
from crew_core.plugins import CommandRunner, LaunchRequest, command_runner


class Seat:
    """This computer.

    Args:
        scheduler: whose client it is.
        options: of a launcher or monitor.
    """

    host_default: str | None = None

    def __init__(self, scheduler: Scheduler, options: Any) -> None:
        self._scheduler = scheduler
        self._options = options
        self.shelf = scheduler.shelf = self._make_shelf()

    def run(self, seconds: float) -> Run:
        """What runs the scheduler's commands, each of which may take so long."""
        variables = self._variables(os.environ)
        return Runner(variables, seconds, self._scheduler.programs(self._options))

    def beyond(self, request: LaunchRequest) -> LaunchRequest:
        """The workers as they are to start."""
        return request

    def close(self) -> None:
        """No job is left that may need it."""

    def _make_shelf(self) -> Shelf:
        return Shelf(scripts_directory(self._options.script_directory))

    def _variables(self, variables: Mapping[str, str]) -> dict[str, str]:
        if hasattr(self._options, "command_submit"):
            return self._scheduler.environment(self._options, variables)
        return environment.clean(variables)  # a monitor's, which submits nothing


class _Login(Seat):
    """A login node.

    Args:
        scheduler: whose client is there.
        options: of a launcher or monitor.
        runner: reaches it.
    """

    def __init__(self, scheduler: Scheduler, options: Any, runner: CommandRunner) -> None:
        self._runner = runner
        self.host_default = runner.host_default
        super().__init__(scheduler, options)

    def run(self, seconds: float) -> Run:
        """What runs the scheduler's commands there."""
        programs = self._scheduler.programs(self._options)
        return RunElsewhere(self._runner, self._variables, seconds, programs)

    def beyond(self, request: LaunchRequest) -> LaunchRequest:
        """The workers as they are to start where this computer's disk is not."""
        return beyond(request, self._runner)

    def close(self) -> None:
        """Hang up: the next deed begins anew."""
        self._runner.close()

    def _make_shelf(self) -> Shelf:
        return ShelfElsewhere(self._runner, self._options.script_directory)


def seat_of(scheduler: Scheduler, options: Any) -> Seat:
    """Where the client is, by these options. Nothing is reached yet.

    Raises:
        ConfigError: ``via`` is impossible, or its options are.
        PluginError: nothing that is installed reaches it.
    """
    if options.via is None:
        return Seat(scheduler, options)
    return _Login(scheduler, options, command_runner(options.via))
