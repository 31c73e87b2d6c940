"""What is known of each unfinished task, and how an attempt's end becomes a task's fate. Pure."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Mapping
from enum import Enum

import msgspec

from crew_core._model.states import BLAMELESS, Status
from crew_core._wire import codec, messages


class Place(Enum):
    """Where an unfinished task is."""

    QUEUED = 1
    ASSIGNED = 2
    DONE = 3


class Entry:
    """One unfinished task."""

    __slots__ = ("attempts", "cancelled", "crashes", "instance", "overdue", "place", "task")

    def __init__(self, task: messages.Task) -> None:
        self.task = task
        self.place = Place.QUEUED
        self.instance: str | None = None
        self.attempts = task.attempts
        self.crashes = task.crashes
        self.cancelled = False
        self.overdue = False  # it waited too long, but may have started


class Ledger:
    """All unfinished tasks, and the outcomes that the client has yet to be told."""

    def __init__(self, retry: messages.RetryPolicy) -> None:
        self._retry = retry
        self._entries: dict[int, Entry] = {}
        self._finished: dict[str | None, list[messages.FinishedTask]] = defaultdict(list)
        self._crashed: list[messages.Crashed] = []
        self._spent: list[tuple[str, Entry, messages.FinishedTask]] = []
        self._deadlines: list[tuple[float, int]] = []  # of waiting, a heap

    def __len__(self) -> int:
        return len(self._entries)

    def open(self, task: messages.Task, now: float) -> Entry:
        """Enter a new task."""
        entry = self._entries[task.id] = Entry(task)
        if task.seconds_queue is not None:
            heapq.heappush(self._deadlines, (now + task.seconds_queue, task.id))
        return entry

    def get(self, task_id: int) -> Entry | None:
        """The task, unless it is finished."""
        return self._entries.get(task_id)

    def finish(self, entry: Entry, outcome: messages.Outcome, instance: str | None) -> None:
        """Write down a task's one and final outcome."""
        self._close(entry)
        self._finished[instance].append(_finished(entry, outcome))

    def finish_without_run(self, entry: Entry, status: Status, error: str) -> None:
        """Write down the fate of a task that ends without a worker's word."""
        detail = codec.encode(messages.OutcomeDetail(error=error))
        instance = entry.instance if entry.place is Place.ASSIGNED else None
        self.finish(entry, messages.Outcome(entry.task.id, status, None, detail), instance)

    def finish_overdue(self, entry: Entry) -> None:
        """Write down that a task waited for too long."""
        text = f"waited longer than seconds_queue={entry.task.seconds_queue:g} for a worker"
        self.finish_without_run(entry, Status.TIMEOUT, text)

    def finish_unstarted(self, entry: Entry) -> None:
        """Write down that a task was cancelled in time."""
        self.finish_without_run(entry, Status.CANCEL, "cancelled before it started")

    def crash(self, entry: Entry, death: messages.OutcomeDetail, instance: str) -> bool:
        """Count an attempt that ended with its worker. True when the task is to be tried again.

        Otherwise it ends here: cancelled if that was asked for, handed over to the backup if
        there is one, else a crash.
        """
        cause = death.cause or "crash"
        entry.attempts += 1
        entry.crashes += cause not in BLAMELESS
        if entry.cancelled:
            self.finish_without_run(entry, Status.CANCEL, "cancelled")
            return False
        if self._may_retry(entry):
            self._crashed.append(messages.Crashed(entry.task.id, instance, cause, entry.crashes))
            return True
        text = self._crash_text(entry, cause)
        detail = msgspec.structs.replace(death, error=text, cause=cause)
        outcome = messages.Outcome(entry.task.id, Status.CRASH, None, codec.encode(detail))
        if self._is_for_backup(entry):
            self._close(entry)
            self._spent.append((instance, entry, _finished(entry, outcome)))
        else:
            self.finish(entry, outcome, instance)
        return False

    def overdue(self, now: float) -> list[Entry]:
        """Tasks whose time to wait is over. Those at a worker may have started."""
        late = []
        while self._deadlines and self._deadlines[0][0] <= now:
            entry = self._entries.get(heapq.heappop(self._deadlines)[1])
            if entry is not None:
                late.append(entry)
        return late

    def next_deadline(self) -> float | None:
        """When ``overdue`` has something to say at the earliest."""
        while self._deadlines and self._deadlines[0][1] not in self._entries:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def news(self, blobs: Mapping[bytes, bytes]) -> list[messages.ToClient]:
        """What happened since the last call, for the client.

        Args:
            blobs: the tasks' commands, by digest.
        """
        told: list[messages.ToClient] = [*self._crashed]
        told += [_spent(*spent, blobs) for spent in self._spent]
        told += [messages.Finished(instance, done) for instance, done in self._finished.items()]
        self._crashed.clear()
        self._spent.clear()
        self._finished.clear()
        return told

    def _close(self, entry: Entry) -> None:
        entry.place = Place.DONE
        del self._entries[entry.task.id]

    def _may_retry(self, entry: Entry) -> bool:
        retry = self._retry
        return (
            retry.retry_tasks
            and entry.crashes < retry.crashes_max
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

    def _crash_text(self, entry: Entry, cause: str) -> str:
        times = f"crash {entry.crashes} in a row" if entry.crashes > 1 else "no retry is left"
        if not self._retry.retry_tasks:
            times = "retry_tasks=False"
        return (
            f"its worker went away while it ran ({cause}); {times}. "
            "The worker's log, controller.logs(name), may say why."
        )


def _finished(entry: Entry, outcome: messages.Outcome) -> messages.FinishedTask:
    return messages.FinishedTask(
        outcome.id, outcome.status, outcome.seconds, entry.attempts, outcome.detail
    )


def _spent(
    instance: str, entry: Entry, finished: messages.FinishedTask, blobs: Mapping[bytes, bytes]
) -> messages.Spent:
    task = entry.task
    command = messages.Blob(task.digest, blobs[task.digest])
    return messages.Spent(instance, finished, entry.crashes, task, command)
