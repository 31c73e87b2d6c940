"""Every worker that was launched: its slot, its instance, its job, and what became of it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from crew_core._controller.journal import Note, keep_quiet
from crew_core._launcher.report import JobReport
from crew_core._model.names import random_name
from crew_core._model.states import InstanceState, JobState

_LAUNCH_SECONDS = 5.0
_RECENT = 8
_LEAD_SECONDS = 5.0
"""How long before a worker leaves, as its job has no more time, its replacement is asked for.

At least; as long as launches have taken lately, but at most a quarter of the worker's time.
"""

_ENDS = {
    InstanceState.EXITED: "left",
    InstanceState.LOST: "lost",
    InstanceState.LAUNCH_FAILED: "failed",
    InstanceState.TERMINATED: "cancelled",
}
"""What the journal calls the ends of a worker."""


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
    report: JobReport = JobReport(JobState.UNKNOWN)  # what the platform said last
    told: str = ""  # why it waits, as the platform says and the log has
    step: int = 0  # of the launcher's ladder
    replace_at: float = float("inf")  # from then on it does not count: it will leave soon
    struck: bool = False  # a task died on it, or it died itself
    ask_until: float | None = None  # it was lost, and its platform is asked how, for so long
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

    Attributes:
        note: told who comes, who is no more, and what else there is to know of workers.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        name: Callable[[], str] = random_name,
    ) -> None:
        self.note: Note = keep_quiet
        self._clock = clock
        self._name = name
        self._lock = threading.Lock()
        self._noted = threading.Condition(self._lock)
        self._rows: dict[str, Row] = {}
        self._live: dict[str, Row] = {}
        self._jobs: dict[str, Row] = {}  # that may still be there
        self._launches: dict[int, int] = {}
        self._latest: dict[int, Row] = {}
        self._online = 0  # as many of the live ones are connected
        self._seconds_ended = 0.0  # used by those that have ended
        self._took: deque[float] = deque(maxlen=_RECENT)  # the latest launches, in seconds
        self._replace_at = float("inf")  # when one more will leave soon
        self._leaving: set[str] = set()  # who will
        self._lost: dict[str, Row] = {}  # whose platforms are asked how

    def reserve(self, count: int, *, manual: bool, step: int = 0) -> list[Row]:
        """Enter instances that are about to be launched, each in the smallest free slot."""
        rows = []
        with self._lock:
            taken = {row.worker for row in self._live.values()}
            slot = 0
            for _ in range(count):
                slot += 1
                while slot in taken:
                    slot += 1
                row = Row(self._name(), slot, manual, self._clock(), step=step)
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

    def came_online(
        self, instance: str, pid: int, host: str, seconds_left: float | None = None
    ) -> Row | None:
        """It connected, and leaves after so long."""
        with self._lock:
            row = self._rows.get(instance)
            if row is None or row.state.final:
                return None
            self._online += row.state is not InstanceState.ONLINE
            row.state, row.pid, row.host, row.discovered = InstanceState.ONLINE, pid, host, True
            self._begin(row)
            self._took.append(self._clock() - row.launched_at)
            if seconds_left is not None:
                self._plan_replacement(row, seconds_left)
        self.note("joined", f"worker {row.worker} on {host}", 1, [row.job])
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

    def end(
        self, instance: str, state: InstanceState, reason: str, *, ask: bool = False
    ) -> Row | None:
        """It is no more. None when that is known already.

        Args:
            instance: which.
            state: a final one.
            reason: in a few words.
            ask: its platform is to say how it died, before its job is ended.
        """
        with self._lock:
            row = self._rows.get(instance)
            if row is None or row.state.final:
                return None
            self._online -= row.state is InstanceState.ONLINE
            row.seconds = self._used_by(row)
            self._seconds_ended += row.seconds
            row.state, row.reason = state, reason
            self._live.pop(instance, None)
            self._leaving.discard(instance)
            if ask:
                self._lost[instance] = row
            if state is InstanceState.LAUNCH_FAILED:
                self._job_is_known(row)
        self.note(_ENDS[state], f"worker {row.worker}: {reason}", 1, [row.job])
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

    def staying(self) -> list[Row]:
        """Connected, and with some time before they leave."""
        with self._lock:
            self._note_leaving()
            online = [r for r in self._live.values() if r.state is InstanceState.ONLINE]
            return [r for r in online if r.instance not in self._leaving]

    def online(self) -> int:
        """Connected and not leaving."""
        return len(self.online_instances())

    def online_instances(self) -> list[str]:
        """Those that are connected and not leaving."""
        with self._lock:
            return [r.instance for r in self._live.values() if r.state is InstanceState.ONLINE]

    def numbers(self) -> tuple[int, int]:
        """How many are connected, and how many are on their way. Costs nothing."""
        with self._lock:
            return self._online, len(self._live) - self._online

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
        """Connected or coming, but for those who leave soon."""
        if self._clock() >= self._replace_at:
            with self._lock:
                self._note_leaving()
        return len(self._live) - len(self._leaving)

    @property
    def replace_at(self) -> float:
        """When ``supply`` falls by itself the next time; infinity for never."""
        self.supply()
        return self._replace_at

    def unreaped(self) -> list[Row]:
        """Instances that are over for us while their job may not be over for the platform."""
        asked = self._lost
        return [r for r in self.with_jobs() if r.state.final and r.instance not in asked]

    def lost(self) -> list[Row]:
        """Rows whose platforms are to say how they died."""
        with self._lock:
            return list(self._lost.values())

    def note_answer(self, row: Row) -> None:
        """Its platform has said, or is asked no more."""
        with self._lock:
            self._lost.pop(row.instance, None)

    def with_jobs(self) -> list[Row]:
        """Rows whose job may still be there."""
        with self._lock:
            over = [row for row in self._jobs.values() if row.job_over]
            for row in over:  # forgotten here, lest a look costs more with each launch there was
                del self._jobs[row.instance]
            return list(self._jobs.values())

    # ── Inside, under the lock ─────────────────────────────────────────────────────────────────

    def _plan_replacement(self, row: Row, seconds_left: float) -> None:
        lead = max(_LEAD_SECONDS, *self._took)
        row.replace_at = self._clock() + seconds_left - min(lead, seconds_left / 4)
        self._replace_at = min(self._replace_at, row.replace_at)

    def _note_leaving(self) -> None:
        now = self._clock()
        if now < self._replace_at:
            return
        self._leaving |= {r.instance for r in self._live.values() if r.replace_at <= now}
        later = (r.replace_at for r in self._live.values() if r.replace_at > now)
        self._replace_at = min(later, default=float("inf"))

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
