"""Which worker is given which tasks now, and which has to give some back. Pure."""

from __future__ import annotations

from crew_core._dispatcher import assignment
from crew_core._dispatcher.instances import Instance
from crew_core._dispatcher.ledger import Entry, Place
from crew_core._dispatcher.queue import TaskQueue

PATIENCE_SECONDS = 5.0
"""Who is idle for so long, and too old for all that waits, makes room for a younger worker."""


class Dealer:
    """Deals out what is in the queue.

    Args:
        queue: where tasks wait.
        tasks_max: what one worker may be given in its life.

    Attributes:
        durations: what is known of how long tasks take.
    """

    def __init__(self, queue: TaskQueue, tasks_max: float) -> None:
        self.durations = assignment.Durations()
        self._queue = queue
        self._tasks_max = tasks_max
        self._workers = 0
        self._idle: dict[str, Instance] = {}  # the most recently busy last
        self._passed: dict[str, Instance] = {}  # idle as well: nothing in the queue was for them
        self._passed_at = 0  # what had entered the queue by then
        self._impatient_at = float("inf")
        self._touched: dict[str, Instance] = {}  # made progress since the last ``deal``
        self._hoards = assignment.Hoards()

    # ── Workers come and go ────────────────────────────────────────────────────────────────────

    def note_here(self, instance: Instance) -> None:
        """A worker has come."""
        self._workers += 1
        self._idle[instance.id] = instance

    def note_back(self, instance: Instance) -> None:
        """A worker that was cut off is connected again."""
        self._hoards.note(instance)
        if self._passed.pop(instance.id, None) is not None:
            self._idle[instance.id] = instance

    def note_progress(self, instance: Instance, now: float) -> None:
        """A worker has ended something, or given something back."""
        instance.last_progress = now
        self._hoards.note_progress(instance)
        if not instance.ready:
            return
        self._touched[instance.id] = instance
        if not instance.assigned:
            self.note_busy(instance)
            self._idle[instance.id] = instance

    def note_busy(self, instance: Instance) -> None:
        """A worker has something to do, or is about to leave: it waits for no task."""
        self._idle.pop(instance.id, None)
        self._passed.pop(instance.id, None)

    def note_gone(self, instance: Instance) -> None:
        """A worker is no more."""
        self._workers -= 1
        self.note_busy(instance)
        self._touched.pop(instance.id, None)
        self._hoards.forget(instance)

    # ── Tasks out ──────────────────────────────────────────────────────────────────────────────

    def deal(self, now: float) -> list[tuple[Instance, list[Entry]]]:
        """Give what there is to whom it suits: first to the idle, then to those that run low."""
        dealt: list[tuple[Instance, list[Entry]]] = []
        if self._passed and (not self._queue or self._queue.entered != self._passed_at):
            self._look_again()
        if self._queue:
            self._employ(dealt, now)
            for instance in self._touched.values():
                if not self._queue:
                    break
                if entries := self._give(instance, now):
                    dealt.append((instance, entries))
        self._touched.clear()
        return dealt

    def who_is_idle(self) -> Instance | None:
        """A worker that can have a task which has just come, as nothing is before it."""
        if self._queue or not self._idle:
            return None
        instance = next(reversed(self._idle.values()))  # as in ``_employ``
        may_have_it = instance.ready and assignment.allowance(instance, self._tasks_max) >= 1
        return instance if may_have_it else None

    def idle(self) -> list[Instance]:
        """Workers that hold no task, the most recently busy last."""
        return [*self._passed.values(), *self._idle.values()]

    def has_task_for(self, instance: Instance, now: float) -> bool:
        """True when something waits that is not too much for this worker."""
        left = instance.seconds_left(now)
        return bool(self._queue) and self._queue.head(left, instance.step) is not None

    def outlived(self, now: float) -> list[Instance]:
        """Workers that were idle for long, as they are too old for what waits. Told of once."""
        if now < self._impatient_at:
            return []
        passed = self._passed.values()
        later = [until for i in passed if (until := _patient_until(i)) > now]
        self._impatient_at = min(later, default=float("inf"))
        return [
            instance
            for instance in passed
            if _patient_until(instance) <= now
            and instance.ready
            and not self.has_task_for(instance, now)
            and self._queue.head(None, instance.step) is not None
        ]

    def give(self, instance: Instance, entry: Entry, now: float) -> None:
        """Give tasks that were in no queue to a worker."""
        self.note_busy(instance)
        self._assign(instance, [entry], now)

    def _employ(self, dealt: list[tuple[Instance, list[Entry]]], now: float) -> None:
        """The most recently busy first, so that idle workers reach seconds_idle and leave."""
        passed: list[Instance] = []
        while self._queue and self._idle:
            _, instance = self._idle.popitem()
            if entries := self._give(instance, now):
                dealt.append((instance, entries))
            else:
                passed.append(instance)
        if passed:
            self._passed.update((instance.id, instance) for instance in reversed(passed))
            self._passed_at = self._queue.entered
            self._note_passed(passed, now)

    def _look_again(self) -> None:
        """What waits is not what it was when these were passed by."""
        if not self._queue:
            for instance in self._passed.values():
                instance.passed_at = None
        self._idle = {**self._passed, **self._idle}
        self._passed = {}

    def _note_passed(self, passed: list[Instance], now: float) -> None:
        for instance in passed:
            if instance.passed_at is None:
                instance.passed_at = now
            self._impatient_at = min(self._impatient_at, _patient_until(instance))

    def _give(self, instance: Instance, now: float) -> list[Entry]:
        """Hand out a share, if there is anything for this worker."""
        seconds_left = instance.seconds_left(now)
        head = self._queue.head(seconds_left, instance.step) if instance.ready else None
        if head is None:
            return []
        expected = self.durations.of(head.batch.digest)
        queued = len(self._queue)
        wanted = assignment.share(expected, queued, self._workers, warily=head.called_back)
        held = len(instance.assigned)
        if held and held * 2 > wanted:
            return []  # top up when half is done, not task by task
        count = min(wanted - held, assignment.allowance(instance, self._tasks_max))
        entries = self._queue.take(count, seconds_left, instance.step) if count > 0 else []
        if entries:
            self._assign(instance, entries, now)
        return entries

    def _assign(self, instance: Instance, entries: list[Entry], now: float) -> None:
        assigned = instance.assigned
        before = len(assigned)
        for entry in entries:
            entry.place = Place.ASSIGNED
            entry.instance = instance.id
            assigned.update(dict.fromkeys(range(entry.first, entry.stop), entry))
        instance.given += len(assigned) - before
        instance.passed_at = None
        if not before:
            instance.last_progress = now
        self._hoards.note(instance)

    # ── Tasks back ─────────────────────────────────────────────────────────────────────────────

    def call_back(self, now: float) -> list[tuple[Instance, list[int]]]:
        """Whom to ask for which tasks, now that what can be dealt is."""
        if not self._hoards:
            return []
        if self._queue:
            hoarders = self._hoards.take_stuck(now)
        else:
            hoarders = self._hoards.take(len(self._idle), now) if self._idle else []
        asked = [instance for instance in hoarders if instance.reachable]
        for instance in asked:
            instance.recalling = True
        return [(instance, assignment.to_recall(instance, now)) for instance in asked]

    def next_time(self) -> float:
        """When ``call_back`` or ``outlived`` has something to say at the earliest."""
        if self._queue:
            return min(self._hoards.next_stuck_time(), self._impatient_at)
        return self._hoards.next_time() if self._idle else float("inf")


def _patient_until(instance: Instance) -> float:
    return float("inf") if instance.passed_at is None else instance.passed_at + PATIENCE_SECONDS
