"""Calls a launcher's plugin: whatever that raises or returns, its caller goes on."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Sequence
from typing import Any

from crew_core._launcher.base import Launcher
from crew_core._launcher.report import JobReport, report_of
from crew_core._launcher.request import LaunchRequest, WorkerLaunch
from crew_core._launcher.shortage import is_shortage
from crew_core._model.errors import CrewError, LaunchError
from crew_core._model.states import JobState

log = logging.getLogger("crew")


class GuardedLauncher:
    """A launcher of which only ``launch`` raises, and that only LaunchError.

    Args:
        launcher: a plugin's object.
        controller: the controller's name.
    """

    def __init__(self, launcher: Launcher, controller: str) -> None:
        self._launcher = launcher
        self._controller = controller
        self._blamed: set[str] = set()

    def launch(self, workers: tuple[WorkerLaunch, ...]) -> list[tuple[Any, str]]:
        """Start workers; a handle and the platform's name of the job for each.

        Raises:
            LaunchError: they were not started.
        """
        name = self._launcher.name
        request = LaunchRequest(controller=self._controller, launcher=name, workers=workers)
        try:
            handles = list(self._launcher.launch(request))
        except LaunchError as error:
            forget_variables(error)
            raise
        except CrewError as error:
            forget_variables(error)
            raise LaunchError(str(error)) from error
        except Exception as error:  # a plugin's code may raise anything
            forget_variables(error)
            failed = f"launcher {name!r} failed: {type(error).__name__}: {error}"
            if is_shortage(error):
                raise LaunchError(failed, transient=True) from error
            raise LaunchError(
                f"{failed}. This is a defect of the launcher's plugin, or of its options"
            ) from error
        if len(handles) != len(workers):
            self.terminate(handles)
            raise LaunchError(
                f"launcher {name!r} returned {len(handles)} handles for {len(workers)} workers: "
                "its plugin must return one for each"
            )
        return [(handle, self._job(handle)) for handle in handles]

    def reports(self, handles: Sequence[Any]) -> list[JobReport]:
        """What the platform says of these jobs; "unknown" when it cannot be asked."""
        try:
            reports = [report_of(answer) for answer in self._launcher.poll(handles)]
            if len(reports) == len(handles):
                return reports
            raise TypeError(
                f"{len(reports)} states for {len(handles)} handles: must be one for each"
            )
        except Exception as error:  # noqa: BLE001 - a plugin's code may raise anything
            self._blame("poll", error)
            return [JobReport(JobState.UNKNOWN)] * len(handles)

    def terminate(self, handles: Sequence[Any]) -> None:
        """End these jobs."""
        try:
            self._launcher.terminate(handles)
        except Exception as error:  # noqa: BLE001 - a plugin's code may raise anything
            self._blame("terminate", error)

    def logs(self, handle: Any) -> str:
        """The last output of a job, as the platform kept it."""
        try:
            return str(self._launcher.logs(handle) or "")
        except Exception as error:  # noqa: BLE001 - a plugin's code may raise anything
            self._blame("logs", error)
            return ""

    def log_place(self, handle: Any) -> str | None:
        """Where the platform keeps a worker's output; None where it keeps none."""
        try:
            place = self._launcher.log_place(handle)
        except Exception as error:  # noqa: BLE001 - a plugin's code may raise anything
            self._blame("log_place", error)
            return None
        return None if place is None else str(place)

    def _job(self, handle: Any) -> str:
        try:
            return str(self._launcher.job(handle))
        except Exception as error:  # noqa: BLE001 - a plugin's code may raise anything
            self._blame("job", error)
            return "?"

    def _blame(self, method: str, error: Exception) -> None:
        """Say that the plugin failed: aloud the first time, as it may happen at every look."""
        level = logging.DEBUG if method in self._blamed else logging.WARNING
        self._blamed.add(method)
        log.log(level, "launcher %r failed in %s()", self._launcher.name, method, exc_info=error)


def forget_variables(error: BaseException) -> None:
    """Empty the variables of where an error came from, and of what led to it.

    Tools that report errors show and send them, and those of a launch hold its secrets.
    """
    seen: set[int] = set()
    chain: list[BaseException | None] = [error]
    while chain:
        link = chain.pop()
        if link is not None and id(link) not in seen:
            seen.add(id(link))
            traceback.clear_frames(link.__traceback__)
            chain += [link.__cause__, link.__context__]
