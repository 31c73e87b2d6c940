"""The door for authors of plugins: what to derive from, what one is given, what to raise.

A launcher in full::

    from crew_core.plugins import Launcher, LaunchRequest, hookimpl


    class MyLauncher(Launcher):
        def launch(self, request: LaunchRequest) -> list[str]:
            return [start_somehow(w.argv, w.env, name=w.name) for w in request.workers]

and, in a module of its own that an entry point of group "crew" names::

    @hookimpl
    def crew_launchers():
        return {"mine": "my_package.launcher:MyLauncher"}
"""

from __future__ import annotations

from crew_core._launcher.base import Launcher
from crew_core._launcher.command_runner import CommandAnswer, CommandRunner
from crew_core._launcher.finding import Finding, Grade
from crew_core._launcher.looks import Looks, Pace
from crew_core._launcher.monitor import JOB_COLUMNS, Monitor
from crew_core._launcher.report import JobReport
from crew_core._launcher.request import LaunchRequest, WorkerLaunch
from crew_core._model.errors import ConfigError, CrewError, LaunchError, PluginError
from crew_core._model.states import JobState
from crew_core._plugins.markers import hookimpl
from crew_core._plugins.runners import command_runner
from crew_core._wire.places import state_directory
from crew_core._wire.spawning import unforked

__all__ = [
    "JOB_COLUMNS",
    "CommandAnswer",
    "CommandRunner",
    "ConfigError",
    "CrewError",
    "Finding",
    "Grade",
    "JobReport",
    "JobState",
    "LaunchError",
    "LaunchRequest",
    "Launcher",
    "Looks",
    "Monitor",
    "Pace",
    "PluginError",
    "WorkerLaunch",
    "command_runner",
    "hookimpl",
    "state_directory",
    "unforked",
]
