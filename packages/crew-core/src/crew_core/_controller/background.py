"""Has launch daemons call the launcher, so that the scaling thread never waits for a platform."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from crew_core._controller.platform import Launched
from crew_core._controller.roster import Row
from crew_core._launcher.base import Launcher
from crew_core._launcher.daemons import DaemonPool
from crew_core._launcher.report import JobReport
from crew_core._launcher.request import WorkerLaunch
from crew_core._model.errors import ConfigError, LaunchError, SerializationError
from crew_core._wire import pickling


class Background:
    """A launcher that daemons have copies of. No method raises or blocks, but ``settle``.

    Args:
        launcher: a plugin's object.
        controller: the controller's name.
        processes: how many daemons.
        directory: where they write what the launcher prints.

    Raises:
        ConfigError: the launcher cannot be copied.
    """

    def __init__(
        self, launcher: Launcher, controller: str, processes: int, directory: Path
    ) -> None:
        try:
            pickled = pickling.dump(launcher, f"launcher {launcher.name!r}")
        except SerializationError as error:
            raise ConfigError(
                f"processes={processes}: launch daemons cannot have copies of the launcher: {error}"
            ) from error
        self._launcher = launcher
        self._processes = processes
        self._pool = DaemonPool(processes, pickled, controller, directory)
        self._lock = threading.Lock()
        self._asked: set[str] = set()  # instances whose state a daemon is to say
        self._ending: set[str] = set()  # instances whose jobs are being ended

    def launch(
        self, rows: Sequence[Row], workers: tuple[WorkerLaunch, ...], done: Launched
    ) -> None:
        """Start workers, some time: each daemon some of them, unless launches are gathered."""
        parts = 1 if self._launcher.gathers else min(self._processes, len(rows))
        for number in range(parts):
            part = rows[number::parts]
            daemon = self._pool.least_busy()
            for row in part:
                row.daemon = daemon
            self._pool.order("launch", workers[number::parts], partial(done, part), daemon)

    def reports(self, rows: Sequence[Row]) -> Sequence[JobReport]:
        """What the platform said last; it is asked again."""
        with self._lock:
            new = [row for row in rows if row.instance not in self._asked]
            self._asked |= {row.instance for row in new}
        for daemon, part in _by_daemon(new).items():
            self._ask(daemon, part)
        return [row.report for row in rows]

    def terminate(self, rows: Sequence[Row]) -> None:
        """End these jobs, some time."""
        with self._lock:
            new = [row for row in rows if row.instance not in self._ending]
            self._ending |= {row.instance for row in new}
        for daemon, part in _by_daemon(new).items():
            self._end(daemon, part)

    def logs(self, row: Row, done: Callable[[str], None]) -> None:
        """The last output, some time."""

        def told(outcome: Any) -> None:
            done("" if isinstance(outcome, LaunchError) else outcome)

        self._pool.order("logs", row.handle, told, row.daemon)

    def withdraw(self) -> None:
        """Begin no launch any more."""
        self._pool.withdraw("launch")

    def settle(self, seconds: float) -> bool:
        """Wait until all that was asked for is done; False when it took longer."""
        return self._pool.settle(seconds)

    def close(self) -> None:
        """End the daemons."""
        self._pool.close()

    def abandon(self) -> None:
        """In a forked child: let go of the daemons, which are the parent's."""
        self._pool.abandon()

    def _ask(self, daemon: int, rows: Sequence[Row]) -> None:
        def answered(outcome: Any) -> None:
            if not isinstance(outcome, LaunchError):
                for row, report in zip(rows, outcome, strict=True):
                    row.report = report
            with self._lock:
                self._asked -= {row.instance for row in rows}

        self._pool.order("reports", [row.handle for row in rows], answered, daemon)

    def _end(self, daemon: int, rows: Sequence[Row]) -> None:
        def ended(outcome: Any) -> None:
            with self._lock:
                self._ending -= {row.instance for row in rows}
            # Else it is ordered again, of the daemon that has taken the place of this one.
            if not isinstance(outcome, LaunchError):
                for row in rows:
                    row.job_over = True

        self._pool.order("terminate", [row.handle for row in rows], ended, daemon)


def _by_daemon(rows: Sequence[Row]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.daemon].append(row)
    return found
