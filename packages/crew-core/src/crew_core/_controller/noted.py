"""Has launches written down, so that others can end them if this process is killed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from crew_core._controller.platform import Launched, Platform
from crew_core._controller.roster import Row
from crew_core._launcher.estate import Estate
from crew_core._launcher.report import JobReport
from crew_core._launcher.request import WorkerLaunch
from crew_core._model.errors import LaunchError


class Noted:
    """A platform whose jobs are in the session's estate, before they are launched.

    Args:
        platform: that launches them.
        estate: where they are noted.
    """

    def __init__(self, platform: Platform, estate: Estate) -> None:
        self._platform = platform
        self._estate = estate

    def launch(
        self, rows: Sequence[Row], workers: tuple[WorkerLaunch, ...], done: Launched
    ) -> None:
        """Start workers."""
        name_of = {worker.instance: worker.name for worker in workers}
        self._estate.note_asked(list(name_of.values()))

        def launched(part: Sequence[Row], outcome: list[tuple[Any, str]] | LaunchError) -> None:
            if not isinstance(outcome, LaunchError):
                self._estate.note_launched(
                    [
                        (name_of[row.instance], job, handle)
                        for row, (handle, job) in zip(part, outcome, strict=True)
                    ]
                )
            done(part, outcome)

        self._platform.launch(rows, workers, launched)

    def reports(self, rows: Sequence[Row]) -> Sequence[JobReport]:
        """What the platform says of these jobs."""
        return self._platform.reports(rows)

    def terminate(self, rows: Sequence[Row]) -> None:
        """End these jobs."""
        self._platform.terminate(rows)

    def logs(self, row: Row, done: Callable[[str], None]) -> None:
        """The last output of a job."""
        self._platform.logs(row, done)

    def withdraw(self) -> None:
        """Begin no launch any more."""
        self._platform.withdraw()

    def settle(self, seconds: float) -> bool:
        """Wait until all that was asked for is done."""
        return self._platform.settle(seconds)

    def close(self) -> None:
        """Nothing will be asked for any more, and nothing is left."""
        self._platform.close()
        self._estate.close()

    def abandon(self) -> None:
        """In a forked child: let go of what belongs to the parent."""
        self._platform.abandon()
