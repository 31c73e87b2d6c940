"""Has the launcher do things for the autoscaler: here and now, or in the background."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from crew_core._controller.roster import Row
from crew_core._launcher.base import Launcher
from crew_core._launcher.guarded import GuardedLauncher
from crew_core._launcher.report import JobReport
from crew_core._launcher.request import WorkerLaunch
from crew_core._model.errors import LaunchError

Launched = Callable[[Sequence[Row], "list[tuple[Any, str]] | LaunchError"], None]
"""Told a handle and the platform's name of the job for each of some rows, or why there are none."""


class Platform(Protocol):
    """The launcher as the autoscaler sees it."""

    def launch(
        self, rows: Sequence[Row], workers: tuple[WorkerLaunch, ...], done: Launched
    ) -> None:
        """Start workers: have ``done`` called at once, or some time on other threads, in parts.

        Raises:
            LaunchError: they were not started; where it waits for that.
        """

    def reports(self, rows: Sequence[Row]) -> Sequence[JobReport]:
        """What the platform says of these jobs; "unknown" when it cannot be asked."""

    def terminate(self, rows: Sequence[Row]) -> None:
        """End these jobs, and note in the rows that it is done."""

    def logs(self, row: Row, done: Callable[[str], None]) -> None:
        """The last output of a job, as the platform kept it."""

    def withdraw(self) -> None:
        """Begin no launch any more."""

    def settle(self, seconds: float) -> bool:
        """Wait until all that was asked for is done; False when it took longer."""

    def close(self) -> None:
        """Nothing will be asked for any more."""

    def abandon(self) -> None:
        """In a forked child: let go of what belongs to the parent."""


class Foreground:
    """Calls the launcher in the thread that asks."""

    def __init__(self, launcher: Launcher, controller: str) -> None:
        self._launcher = GuardedLauncher(launcher, controller)

    def launch(
        self,
        rows: Sequence[Row],
        workers: tuple[WorkerLaunch, ...],
        done: Launched,
    ) -> None:
        """Start workers."""
        done(rows, self._launcher.launch(workers))

    def reports(self, rows: Sequence[Row]) -> Sequence[JobReport]:
        """What the platform says now."""
        return self._launcher.reports([row.handle for row in rows]) if rows else []

    def terminate(self, rows: Sequence[Row]) -> None:
        """End these jobs."""
        if rows:
            self._launcher.terminate([row.handle for row in rows])
        for row in rows:  # not before: Ctrl-C may have struck, and the next call is to end them
            row.job_over = True

    def logs(self, row: Row, done: Callable[[str], None]) -> None:
        """The last output."""
        done(self._launcher.logs(row.handle))

    def withdraw(self) -> None:
        """Nothing waits here."""

    def settle(self, seconds: float) -> bool:  # noqa: ARG002 - for the background
        """Nothing is under way here."""
        return True

    def close(self) -> None:
        """Nothing to close."""

    def abandon(self) -> None:
        """Nothing to let go of."""
