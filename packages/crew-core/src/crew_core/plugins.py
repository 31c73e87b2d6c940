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

from crew_core._launcher.base import Launcher, LaunchRequest, WorkerLaunch
from crew_core._launcher.monitor import Monitor
from crew_core._model.errors import ConfigError, CrewError, LaunchError, PluginError
from crew_core._model.states import JobState
from crew_core._plugins.markers import hookimpl

__all__ = [
    "ConfigError",
    "CrewError",
    "JobState",
    "LaunchError",
    "LaunchRequest",
    "Launcher",
    "Monitor",
    "PluginError",
    "WorkerLaunch",
    "hookimpl",
]
