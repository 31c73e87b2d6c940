"""What is known of each unfinished task, and how an attempt's end becomes a task's fate. Pure."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum

import msgspec

from crew_core._model.states import BLAMELESS, Status
from crew_core._model.steps import step_after, step_for
from crew_core._wire import codec, messages

_ADVICE = {
    "out_of_memory": "It needs more memory than its worker may take: give workers more, or let it "
    "need less.",
    "wall_time": "It needs more time than its worker's job has: give jobs more, or let it need "
    "less.",
}


class Place(Enum):
    """Where unfinished tasks are."""

    QUEUED = 1
    ASSIGNED = 2


class Entry:
    """Unfinished tasks with consecutive ids of one batch that have fared alike so far.

    A batch is one entry when it comes. It is split where its tasks part: some are handed out, one
    crashes or is cancelled. So what is common costs nothing for each task.

    Attributes:
        first: the id of the first.
        stop: the id after the last.
        gone: how many of them have left the queue out of turn, while the others wait.
        turn: its number among those of its priority that wait.
        step: of their launcher's ladder: a worker of a lower one has too little for them.
    """

    __slots__ = (
        "attempts",
        "batch",
        "called_back",
        "cancelled",
        "crashes",
        "first",
        "gone",
        "instance",
        "overdue",
        "place",
        "step",
        "stop",
        "turn",
    )

    def __init__(self, batch: messages.Batch, first: int, stop: int) -> None:
        self.batch = batch
        self.first = first
        self.stop = stop
        self.gone = 0
        self.turn = 0
        self.place = Place.QUEUED
        self.instance: str | None = None
        self.attempts = batch.attempts
        self.crashes = batch.crashes
        self.step = 0
        self.cancelled = False
        self.overdue = False  # it waited too long, but may have started
        self.called_back = False  # from a worker that was busy with another

    def __len__(self) -> int:
        return self.stop - self.first

    @property
    def tasks(self) -> messages.Batch:
        """The tasks themselves."""
        return self.batch.part(self.first, self.stop)

    def like(self, first: int, stop: int) -> Entry:
        """Another for some of its tasks."""
        other = Entry(self.batch, first, stop)
        other.place = self.place
        other.instance = self.instance
        other.attempts = self.attempts
        other.crashes = self.crashes
        other.step = self.step
        other.cancelled = self.cancelled
        other.overdue = self.overdue
        other.called_back = self.called_back
        return other


class Finished:
    """Outcomes of one instance's that the client has yet to be told, in columns."""

    __slots__ = ("attempts", "details", "ids", "seconds", "segments", "statuses")

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.statuses: list[int] = []
        self.seconds: list[float | None] = []
        self.attempts: list[int] = []
        self.details: list[bytes] = []
        self.segments: dict[int, tuple[str, ...]] = {}

    def add(
        self, task_id: int, status: int, seconds: float | None, attempts: int, detail: bytes
    ) -> None:
        self.ids.append(task_id)
        self.statuses.append(status)
        self.seconds.append(seconds)
        self.attempts.append(attempts)
        self.details.append(detail)

    def message(self, instance: str | None) -> messages.Finished:
        return messages.Finished(
            instance,
            self.ids,
            self.statuses,
            self.seconds,
            self.attempts,
            self.details,
            self.segments,
        )


class Ledger:
    """All unfinished tasks, and the outcomes that the client has yet to be told."""

    def __init__(
        self, retry: messages.RetryPolicy, lives: Sequence[float] = (float("inf"),)
    ) -> None:
        self._retry = retry
        self._lives = lives
        self._entries: dict[int, Entry] = {}
        self._finished: dict[str | None, Finished] = defaultdict(Finished)
        self._crashed: list[messages.Crashed] = []
        self._spent: list[tuple[str, Entry, messages.FinishedTask]] = []
        self._deadlines: list[tuple[float, int, int]] = []  # of ids from, up to; a heap

    def __len__(self) -> int:
        return len(self._entries)

    # ── Entries ────────────────────────────────────────────────────────────────────────────────

    def open(self, batch: messages.Batch, now: float) -> Entry:
        """Enter new tasks."""
        ids = batch.ids
        entry = Entry(batch, ids.start, ids.stop)
        if batch.seconds_expected is not None:
            entry.step = step_for(batch.seconds_expected, self._lives)
        self._enter(entry)
        if batch.seconds_queue is not None:
            heapq.heappush(self._deadlines, (now + batch.seconds_queue, ids.start, ids.stop))
        return entry

    def get(self, task_id: int) -> Entry | None:
        """The entry that the task is in, unless it is finished."""
        return self._entries.get(task_id)

    def split(self, entry: Entry, count: int) -> Entry:
        """An entry for the first so many tasks of one, which loses them. None of it is gone."""
        front = entry.like(entry.first, entry.first + count)
        front.batch = front.tasks  # the rest of the batch need not be kept as long as these
        entry.first = front.stop
        self._enter(front)
        return front

    def alone(self, task_id: int, entry: Entry) -> Entry:
        """An entry for one task only. Whoever keeps entries by id must take note."""
        if len(entry) == 1:
            return entry
        single = self._entries[task_id] = entry.like(task_id, task_id + 1)
        return single

    def runs(self, ids: Iterable[int]) -> list[Entry]:
        """Entries for these unfinished tasks and no others, in this order."""
        found: list[tuple[Entry, int, int]] = []
        for task_id in ids:
            entry = self._entries[task_id]
            if found and found[-1][0] is entry and found[-1][2] == task_id:
                found[-1] = (entry, found[-1][1], task_id + 1)
            else:
                found.append((entry, task_id, task_id + 1))
        return [self._part(*run) for run in found]

    def rest(self, entry: Entry) -> list[Entry]:
        """Entries for what is left of a queued one of which some tasks are gone."""
        entries = self._entries
        return self.runs([i for i in range(entry.first, entry.stop) if entries.get(i) is entry])

    # ── Ends ───────────────────────────────────────────────────────────────────────────────────

    def finish(
        self,
        task_id: int,
        status: int,
        seconds: float | None,
        attempts: int,
        detail: bytes,
        instance: str | None,
    ) -> None:
        """Write down a task's one and final outcome."""
        del self._entries[task_id]
        self._finished[instance].add(task_id, status, seconds, attempts, detail)

    def finish_all(
        self, entries: Sequence[Entry], outcomes: messages.Outcomes, instance: str
    ) -> None:
        """Write down the final outcomes of tasks that ran to their end on one instance.

        Args:
            entries: of each task.
            outcomes: of each task.
            instance: where they ran.
        """
        for task_id in outcomes.ids:
            del self._entries[task_id]
        done = self._finished[instance]
        done.ids += outcomes.ids
        done.statuses += outcomes.statuses
        done.seconds += outcomes.seconds
        done.attempts += [entry.attempts + 1 for entry in entries]
        done.details += outcomes.details
        done.segments.update(outcomes.segments)

    def finish_without_run(self, task_id: int, entry: Entry, status: Status, error: str) -> None:
        """Write down the fate of a task that ends without a worker's word."""
        detail = codec.encode(messages.OutcomeDetail(error=error))
        instance = entry.instance if entry.place is Place.ASSIGNED else None
        self.finish(task_id, status, None, entry.attempts, detail, instance)

    def finish_overdue(self, task_id: int, entry: Entry) -> None:
        """Write down that a task waited for too long."""
        text = f"waited longer than seconds_queue={entry.batch.seconds_queue:g} for a worker"
        self.finish_without_run(task_id, entry, Status.TIMEOUT, text)

    def finish_unstarted(self, task_id: int, entry: Entry) -> None:
        """Write down that a task was cancelled in time."""
        self.finish_without_run(task_id, entry, Status.CANCEL, "cancelled before it started")

    def crash(
        self, task_id: int, death: messages.OutcomeDetail, instance: str, step: int = 0
    ) -> Entry | None:
        """Count an attempt that ended with its worker. The task's entry when it is to be retried.

        Otherwise it ends here: cancelled if that was asked for, handed over to the backup if
        there is one, else a crash.

        Args:
            task_id: the task.
            death: what is known of it.
            instance: the worker.
            step: that worker's. What it had too little of, one of the next step has more of.
        """
        entry = self.alone(task_id, self._entries[task_id])
        cause = death.cause or "crash"
        entry.attempts += 1
        higher = step_after(cause, step, self._lives)
        entry.step = max(entry.step, higher)
        blameless = higher > step or cause in BLAMELESS
        entry.crashes += not blameless
        if entry.cancelled:
            self.finish_without_run(task_id, entry, Status.CANCEL, "cancelled")
            return None
        if self._may_retry(entry, blameless):
            crashed = messages.Crashed(task_id, instance, cause, entry.crashes, entry.step)
            self._crashed.append(crashed)
            return entry
        text = self._crash_text(entry, cause, death.error)
        detail = codec.encode(msgspec.structs.replace(death, error=text, cause=cause))
        if self._is_for_backup(entry):
            del self._entries[task_id]
            finished = messages.FinishedTask(task_id, Status.CRASH, None, entry.attempts, detail)
            self._spent.append((instance, entry, finished))
        else:
            self.finish(task_id, Status.CRASH, None, entry.attempts, detail, instance)
        return None

    def overdue(self, now: float) -> list[int]:
        """Tasks whose time to wait is over. Those at a worker may have started."""
        late: list[int] = []
        while self._deadlines and self._deadlines[0][0] <= now:
            _, first, stop = heapq.heappop(self._deadlines)
            late += [i for i in range(first, stop) if i in self._entries]
        return late

    def next_deadline(self) -> float | None:
        """When ``overdue`` has something to say at the earliest."""
        while self._deadlines:
            when, first, stop = self._deadlines[0]
            still = next((i for i in range(first, stop) if i in self._entries), stop)
            if still < stop:
                if still > first:  # lest it is searched again and again
                    heapq.heapreplace(self._deadlines, (when, still, stop))
                return when
            heapq.heappop(self._deadlines)
        return None

    @property
    def has_news(self) -> bool:
        """True when ``news`` has something to say."""
        return bool(self._finished or self._crashed or self._spent)

    def news(self, blobs: Mapping[bytes, bytes]) -> list[messages.ToClient]:
        """What happened since the last call, for the client.

        Args:
            blobs: the tasks' commands, by digest.
        """
        told: list[messages.ToClient] = [*self._crashed]
        told += [_spent(*spent, blobs) for spent in self._spent]
        told += [done.message(instance) for instance, done in self._finished.items()]
        self._crashed.clear()
        self._spent.clear()
        self._finished.clear()
        return told

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _enter(self, entry: Entry) -> None:
        self._entries.update(dict.fromkeys(range(entry.first, entry.stop), entry))

    def _part(self, entry: Entry, first: int, stop: int) -> Entry:
        if (first, stop) == (entry.first, entry.stop):
            return entry
        part = entry.like(first, stop)
        self._enter(part)
        return part

    def _may_retry(self, entry: Entry, blameless: bool) -> bool:
        retry = self._retry
        return (
            retry.retry_tasks
            and (blameless or entry.crashes < retry.crashes_max)
            and entry.attempts < retry.attempts_max
        )

    def _is_for_backup(self, entry: Entry) -> bool:
        retry = self._retry
        return (
            retry.backup
            and retry.retry_tasks
            and 0 < retry.crashes_max <= entry.crashes
            and entry.attempts < retry.attempts_max
        )

    def _crash_text(self, entry: Entry, cause: str, reason: str | None) -> str:
        times = f"crash {entry.crashes} in a row" if entry.crashes > 1 else "no retry is left"
        if entry.attempts >= self._retry.attempts_max:
            times = f"attempt {entry.attempts} of {self._retry.attempts_max} in all"
        if not self._retry.retry_tasks:
            times = "retry_tasks=False"
        how = f"{cause}: {reason}" if reason else cause
        advice = _ADVICE.get(cause, "The worker's log, controller.logs(name), may say why.")
        return f"its worker went away while it ran ({how}); {times}. {advice}"


def _spent(
    instance: str, entry: Entry, finished: messages.FinishedTask, blobs: Mapping[bytes, bytes]
) -> messages.Spent:
    command = messages.Blob(entry.batch.digest, blobs[entry.batch.digest])
    return messages.Spent(instance, finished, entry.crashes, entry.tasks, command)
