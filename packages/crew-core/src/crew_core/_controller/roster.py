"""Every worker that was launched: its slot, its instance, its job, and what became of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec

from crew_core._model.names import random_name
from crew_core._model.states import InstanceState, JobState

_LAUNCH_SECONDS = 5.0


class Row(msgspec.Struct, eq=False):
    """One instance."""

    instance: str
    worker: int
    manual: bool
    launched_at: float
    state: InstanceState = InstanceState.SUBMITTING
    handle: Any = None
    has_handle: bool = False
    job: str | None = None
    job_due: bool = True  # its launch has not ended yet
    log: str | None = None
    host: str | None = None
    pid: int | None = None
    reason: str = ""
    discovered: bool = False
    useful: bool = False  # it has finished a task
    job_state: JobState = JobState.UNKNOWN  # what the platform said last, asked in the background
    daemon: int = 0  # which launch daemon knows the handle
    cut: bool = False  # its connection broke, and may come back
    job_over: bool = False  # the platform says so, or was told to end it
    left_at: float | None = None  # when it was first seen to be over for us only
    runs_since: float | None = None  # what it uses counts from here
    seconds: float = 0.0  # that it used, once it has ended


class Roster:
    """All instances of one run of a controller. Safe to use from any thread.

    Args:
        clock: monotonic.
        name: makes the id of an instance.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        name: Callable[[], str] = random_name,
    ) -> None:
        self._clock = clock
        self._name = name
        self._lock = threading.Lock()
        self._noted = threading.Condition(self._lock)
        self._rows: dict[str, Row] = {}
        self._live: dict[str, Row] = {}
        self._jobs: dict[str, Row] = {}  # that may still be there
        self._launches: dict[int, int] = {}
        self._latest: dict[int, Row] = {}
        self._seconds_ended = 0.0  # used by those that have ended

    def reserve(self, count: int, *, manual: bool) -> list[Row]:
        """Enter instances that are about to be launched, each in the smallest free slot."""
        rows = []
        with self._lock:
            taken = {row.worker for row in self._live.values()}
            slot = 0
            for _ in range(count):
                slot += 1
                while slot in taken:
                    slot += 1
                row = Row(self._name(), slot, manual, self._clock())
                self._rows[row.instance] = self._live[row.instance] = row
                self._latest[slot] = row
                self._launches[slot] = self._launches.get(slot, 0) + 1
                rows.append(row)
        return rows

    def launched(self, row: Row, handle: Any, job: str) -> bool:
        """The platform took it. False when nobody wants it any more."""
        with self._lock:
            row.handle, row.has_handle, row.job = handle, True, job
            self._jobs[row.instance] = row
            self._job_is_known(row)
            if row.state is InstanceState.SUBMITTING:  # a fast worker may be online already
                row.state = InstanceState.PENDING
            return not row.state.final

    def came_online(self, instance: str, pid: int, host: str) -> Row | None:
        """It connected."""
        with self._lock:
            row = self._rows.get(instance)
            if row is None or row.state.final:
                return None
            row.state, row.pid, row.host, row.discovered = InstanceState.ONLINE, pid, host, True
            self._begin(row)
            return row

    def note_running(self, row: Row) -> None:
        """Its platform says that it runs, though it has not connected yet."""
        with self._lock:
            if not row.state.final:
                self._begin(row)

    def note_cut(self, instance: str, *, cut: bool) -> None:
        """Its connection broke, or is back."""
        with self._lock:
            row = self._rows.get(instance)
            if row is not None:
                row.cut = cut

    def cut(self) -> list[Row]:
        """Online once, without a connection now, and perhaps dead."""
        with self._lock:
            return [row for row in self._live.values() if row.cut and row.has_handle]

    def end(self, instance: str, state: InstanceState, reason: str) -> Row | None:
        """It is no more. None when that is known already."""
        with self._lock:
            row = self._rows.get(instance)
            if row is None or row.state.final:
                return None
            row.seconds = self._used_by(row)
            self._seconds_ended += row.seconds
            row.state, row.reason = state, reason
            self._live.pop(instance, None)
            if state is InstanceState.LAUNCH_FAILED:
                self._job_is_known(row)
            return row

    def get(self, instance: str | None) -> Row | None:
        """The row of an instance."""
        return None if instance is None else self._rows.get(instance)

    def with_job(self, instance: str | None) -> Row | None:
        """The row of an instance that has run a task, with the job that it is.

        A fast worker may have run one before the call that launched it has returned, which is
        waited for, but not for long.
        """
        row = self.get(instance)
        if row is not None and row.job_due:
            with self._noted:
                self._noted.wait_for(lambda: not row.job_due, _LAUNCH_SECONDS)
                row.job_due = False
        return row

    def latest(self) -> list[tuple[int, int, Row]]:
        """(worker, launches, latest row) for every slot used so far, by slot."""
        with self._lock:
            return [(w, self._launches[w], row) for w, row in sorted(self._latest.items())]

    def rows(self) -> list[Row]:
        """All rows, oldest first."""
        with self._lock:
            return list(self._rows.values())

    def coming(self) -> list[Row]:
        """Launched, not connected; oldest first."""
        with self._lock:
            return [row for row in self._live.values() if row.state.coming]

    def online(self) -> int:
        """Connected and not leaving."""
        return len(self.online_instances())

    def online_instances(self) -> list[str]:
        """Those that are connected and not leaving."""
        with self._lock:
            return [r.instance for r in self._live.values() if r.state is InstanceState.ONLINE]

    def seconds_used(self, worker: int | None = None) -> float:
        """What all instances together have used so far, or those of one slot."""
        with self._lock:
            if worker is None:
                return self._seconds_ended + sum(map(self._used_by, self._live.values()))
            return sum(self._used_by(r) for r in self._rows.values() if r.worker == worker)

    def working(self) -> int:
        """How many use more at this moment, doing something or nothing."""
        with self._lock:
            return sum(row.runs_since is not None for row in self._live.values())

    def supply(self) -> int:
        """Connected or coming."""
        return len(self._live)

    def unreaped(self) -> list[Row]:
        """Instances that are over for us while their job may not be over for the platform."""
        return [row for row in self.with_jobs() if row.state.final]

    def with_jobs(self) -> list[Row]:
        """Rows whose job may still be there."""
        with self._lock:
            over = [row for row in self._jobs.values() if row.job_over]
            for row in over:  # forgotten here, lest a look costs more with each launch there was
                del self._jobs[row.instance]
            return list(self._jobs.values())

    # ── Inside, under the lock ─────────────────────────────────────────────────────────────────

    def _begin(self, row: Row) -> None:
        if row.runs_since is None:
            row.runs_since = self._clock()

    def _used_by(self, row: Row) -> float:
        if row.runs_since is None or row.state.final:
            return row.seconds
        return self._clock() - row.runs_since

    def _job_is_known(self, row: Row) -> None:
        row.job_due = False
        self._noted.notify_all()
