"""Calls the launcher's plugin: whatever that raises or returns, scaling goes on."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from crew_core._controller.roster import Row
from crew_core._launcher.base import Launcher, LaunchRequest, WorkerLaunch
from crew_core._model.errors import CrewError, LaunchError
from crew_core._model.states import JobState

log = logging.getLogger("crew")


class Platform:
    """A launcher as the autoscaler sees it. Only ``launch`` raises.

    Args:
        launcher: a plugin's object.
        controller: the controller's name.
    """

    def __init__(self, launcher: Launcher, controller: str) -> None:
        self._launcher = launcher
        self._controller = controller
        self._blamed: set[str] = set()

    @property
    def seconds_launch(self) -> float:
        """How long a worker may take to connect, as the launcher has it at present."""
        return self._launcher.seconds_launch_default

    def launch(self, workers: tuple[WorkerLaunch, ...]) -> Sequence[object]:
        """Start workers; a handle for each.

        Raises:
            LaunchError: they were not started.
        """
        name = self._launcher.name
        request = LaunchRequest(controller=self._controller, launcher=name, workers=workers)
        try:
            handles = list(self._launcher.launch(request))
        except CrewError:
            raise
        except Exception as error:  # a plugin's code may raise anything
            raise LaunchError(
                f"launcher {name!r} failed: {type(error).__name__}: {error}. This is a defect of "
                "the launcher's plugin, or of its options"
            ) from error
        if len(handles) != len(workers):
            self.terminate(handles)
            raise LaunchError(
                f"launcher {name!r} returned {len(handles)} handles for {len(workers)} workers: "
                "its plugin must return one for each"
            )
        return handles

    def states(self, rows: Sequence[Row]) -> Sequence[JobState]:
        """What the platform says of these jobs; "unknown" when it cannot be asked."""
        if not rows:
            return []
        try:
            states = list(self._launcher.poll([row.handle for row in rows]))
            if len(states) == len(rows):
                return states
            raise TypeError(f"{len(states)} states for {len(rows)} handles: must be one for each")
        except Exception as error:  # noqa: BLE001 - a plugin's code may raise anything
            self._blame("poll", error)
            return [JobState.UNKNOWN] * len(rows)

    def terminate(self, handles: Sequence[object]) -> None:
        """End these jobs."""
        try:
            self._launcher.terminate(handles)
        except Exception as error:  # noqa: BLE001 - a plugin's code may raise anything
            self._blame("terminate", error)

    def job(self, handle: object) -> str:
        """The platform's name of a job."""
        try:
            return str(self._launcher.job(handle))
        except Exception as error:  # noqa: BLE001 - a plugin's code may raise anything
            self._blame("job", error)
            return "?"

    def logs(self, handle: object) -> str:
        """The last output of a job, as the platform kept it."""
        try:
            return str(self._launcher.logs(handle) or "")
        except Exception as error:  # noqa: BLE001 - a plugin's code may raise anything
            self._blame("logs", error)
            return ""

    def _blame(self, method: str, error: Exception) -> None:
        """Say that the plugin failed: aloud the first time, as it may happen at every look."""
        level = logging.DEBUG if method in self._blamed else logging.WARNING
        self._blamed.add(method)
        log.log(level, "launcher %r failed in %s()", self._launcher.name, method, exc_info=error)
