"""How many tasks which worker gets, and when tasks are taken back. Pure.

A worker with one task at a time stands idle for a round trip between two; a worker with many may
hoard what another could run now. So a worker's share follows from how long tasks with the same
command took lately: about ``AHEAD_SECONDS`` of work, and no more than its part of the queue unless
that is not worth a message. What is handed out and not started is called back when another worker
has nothing to do, and when its worker turns out to run a long task. Behind one long task there may
be others, so what was called back is handed out in small pieces.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import islice, takewhile

from crew_core._dispatcher.instances import Instance
from crew_core._dispatcher.ledger import Entry

AHEAD_SECONDS = 0.2
"""Work handed out ahead, in seconds: many round trips, and short enough to be waited for."""

AHEAD_TASKS = 512
"""The most tasks handed out ahead: bounds what a lost worker sends back."""

HOARD_SECONDS = 0.005
"""Work that a worker holds for longer than this is worth taking back for an idle one."""

LONG_SECONDS = 0.1
"""Next to a task this long, the round trip to the next one is nothing: hand out one by one."""

STUCK_SECONDS = 0.2
"""A worker that has ended no task for so long runs one that nobody expected: let others have what
it holds, even if none of them is idle."""

WORTH_SECONDS = 0.001
"""Work that is worth a message: however many are idle, none of them is sent less while there is
more, as the dispatcher would take longer over it than they."""

_AROUND_SECONDS = 2e-5  # what a worker does around each task
_MEMORY = 0.25  # weight of the latest duration in the running mean
_KNOWN_COMMANDS = 4096


class Durations:
    """How long tasks took lately, by command: an exponentially weighted mean."""

    def __init__(self) -> None:
        self._means: dict[bytes, float] = {}

    def note(self, digest: bytes, seconds: list[float]) -> None:
        """Learn from tasks that ran to their end, the latest last."""
        latest = sum(seconds) / len(seconds)
        mean = self._means.get(digest)
        if mean is None:
            if len(self._means) >= _KNOWN_COMMANDS:
                self._means.pop(next(iter(self._means)))
            self._means[digest] = latest
        else:
            weight = 1 - (1 - _MEMORY) ** len(seconds)
            self._means[digest] = mean + weight * (latest - mean)

    def note_all(self, entries: Sequence[Entry], seconds: Sequence[float | None]) -> None:
        """Learn from tasks of these entries; None for one that was stopped before it ran."""
        took: dict[bytes, list[float]] = defaultdict(list)
        if entries.count(entries[0]) == len(entries):  # nearly always, and quickly found
            took[entries[0].batch.digest] = [s for s in seconds if s is not None]
        else:
            for entry, s in zip(entries, seconds, strict=True):
                if s is not None:
                    took[entry.batch.digest].append(s)
        for digest, durations in took.items():
            if durations:
                self.note(digest, durations)

    def of(self, digest: bytes) -> float | None:
        """Expected seconds of one task, or None when nothing is known."""
        return self._means.get(digest)


def share(expected: float | None, queued: int, workers: int, *, warily: bool = False) -> int:
    """How many tasks a worker should hold, the running one included.

    Args:
        expected: seconds that the next task is expected to take; None when unknown.
        queued: tasks that wait.
        workers: workers that compete for them.
        warily: the next tasks may take longer than that: no more than is worth a message.
    """
    if expected is None:
        return 1
    worth = int(WORTH_SECONDS / (expected + _AROUND_SECONDS))
    if warily:
        return max(1, worth)
    fair = math.ceil(queued / max(workers, 1))
    tiny = expected <= AHEAD_SECONDS / AHEAD_TASKS  # or so tiny that nothing can be divided by it
    wanted = AHEAD_TASKS if tiny else int(AHEAD_SECONDS / expected)
    if expected < LONG_SECONDS:
        wanted = max(wanted, 2)
    return max(1, min(wanted, max(fair + 1, worth), AHEAD_TASKS))


def allowance(instance: Instance, tasks_max: float) -> int:
    """How many more tasks an instance may be given in its life."""
    left = tasks_max - instance.given
    return AHEAD_TASKS if left >= AHEAD_TASKS else int(left)


def to_recall(instance: Instance, now: float) -> list[int]:
    """The later half of what an instance holds, in order; never its running task.

    All but that one, if it is stuck.
    """
    held = list(instance.assigned)
    stuck = now >= instance.last_progress + STUCK_SECONDS
    return held[1 if stuck else (len(held) + 1) // 2 :]


class Hoards:
    """Workers that hold more than the task they run, which somebody idle could have.

    The one that made no progress for longest comes first: it is the first to be asked.
    """

    def __init__(self) -> None:
        self._rich: dict[str, Instance] = {}
        self._not_before = 0.0

    def __bool__(self) -> bool:
        """True when there is anybody."""
        return bool(self._rich)

    def note(self, instance: Instance) -> None:
        """It was given tasks."""
        if len(instance.assigned) > 1 and not instance.recalling:
            self._rich.setdefault(instance.id, instance)

    def note_progress(self, instance: Instance) -> None:
        """It is at work: it is the last to be asked."""
        if self._rich:
            self.forget(instance)
        self.note(instance)

    def forget(self, instance: Instance) -> None:
        """It is no more."""
        self._rich.pop(instance.id, None)

    def take(self, most: int, now: float) -> list[Instance]:
        """Those to ask now, at most so many. They come back with their next progress."""
        due = []
        if now >= self._not_before:
            stuck = takewhile(
                lambda instance: now >= instance.last_progress + HOARD_SECONDS, self._rich.values()
            )
            due = list(islice(stuck, most))
        for instance in due:
            self._not_before = now + HOARD_SECONDS  # let their answers come first
            self.forget(instance)
        return due

    def take_stuck(self, now: float) -> list[Instance]:
        """Those to ask even though nobody is idle. They come back with their next progress."""
        stuck = list(
            takewhile(
                lambda instance: now >= instance.last_progress + STUCK_SECONDS, self._rich.values()
            )
        )
        for instance in stuck:
            self.forget(instance)
        return stuck

    def next_stuck_time(self) -> float:
        """When ``take_stuck`` has somebody at the earliest."""
        if not self._rich:
            return float("inf")
        return next(iter(self._rich.values())).last_progress + STUCK_SECONDS

    def next_time(self) -> float:
        """When ``take`` has somebody at the earliest, if nobody makes progress."""
        if not self._rich:
            return float("inf")
        longest = next(iter(self._rich.values()))
        return max(longest.last_progress + HOARD_SECONDS, self._not_before)
