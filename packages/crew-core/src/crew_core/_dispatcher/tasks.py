"""What becomes of tasks: they wait, run, end, are put back, cancelled or tried again. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import cast

import msgspec

from crew_core._dispatcher.dealer import Dealer
from crew_core._dispatcher.departures import Departures
from crew_core._dispatcher.inquests import Inquests
from crew_core._dispatcher.instances import Instance, Instances
from crew_core._dispatcher.ledger import Entry, Ledger, Place
from crew_core._dispatcher.queue import TaskQueue
from crew_core._model.states import Status
from crew_core._wire import messages

_CRASH = int(Status.CRASH)  # compared with many
_ENDED = "job_ended"


class Tasks:
    """Moves tasks between the queue, the workers and their ends.

    Args:
        ledger: what is known of each.
        queue: where they wait.
        dealer: gives them to workers.
        inquests: deaths that are not judged yet.
        instances: the workers.
        departures: how workers leave.
        settings: of the workers.
        tell_worker: sends a message.
    """

    def __init__(
        self,
        ledger: Ledger,
        queue: TaskQueue,
        dealer: Dealer,
        inquests: Inquests,
        instances: Instances,
        departures: Departures,
        settings: messages.WorkerSettings,
        tell_worker: Callable[[Instance, messages.ToWorker], None],
    ) -> None:
        self._ledger = ledger
        self._queue = queue
        self._dealer = dealer
        self._inquests = inquests
        self._instances = instances
        self._departures = departures
        self._settings = settings
        self._tell_worker = tell_worker

    # ── In ─────────────────────────────────────────────────────────────────────────────────────

    def submit(self, batches: Sequence[messages.Batch], now: float) -> None:
        """Let them wait for workers."""
        for batch in batches:
            self._queue.append(self._ledger.open(batch, now))

    def give_at_once(self, batches: Sequence[messages.Batch], now: float) -> Instance | None:
        """Spare a lone task the queue: who sends one waits for it. The worker; None: it must."""
        if len(batches) != 1 or len(batches[0].names) != 1:
            return None
        instance = self._dealer.who_is_idle()
        if instance is None or batches[0].seconds_expected is not None:
            return None
        self._dealer.give(instance, self._ledger.open(batches[0], now), now)
        return instance

    def put_back(self, ids: Iterable[int], *, called_back: bool = False) -> None:
        """Let tasks wait again that a worker held and had not started."""
        waiting = []
        for entry in self._ledger.runs(ids):
            entry.called_back |= called_back
            if entry.cancelled:
                self._ledger.finish_unstarted(entry.first, entry)
            elif entry.overdue:
                self._ledger.finish_overdue(entry.first, entry)
            else:
                waiting.append(entry)
        self._queue.put_back(waiting)

    def returned(self, instance: Instance, ids: Sequence[int], now: float) -> None:
        """A worker gave some back."""
        instance.recalling = False
        held = [i for i in ids if instance.assigned.pop(i, None) is not None]
        instance.given -= len(held)
        self.put_back(held, called_back=True)
        self._dealer.note_progress(instance, now)

    # ── Ends ───────────────────────────────────────────────────────────────────────────────────

    def outcomes(self, instance: Instance, message: messages.Outcomes, now: float) -> None:
        """Attempts have ended on a worker."""
        deaths = message.deaths() if _CRASH in message.statuses else {}
        held = instance.assigned
        before = len(held)
        entries = [held.pop(task_id, None) for task_id in message.ids]
        ours = len(held) == before - len(entries)
        if ours and entries and not deaths:
            self._ended(instance, cast("list[Entry]", entries), message)
        else:
            for entry, outcome in zip(entries, message.one_by_one(), strict=True):
                self._outcome(instance, entry, outcome, deaths, now)
        if instance.complete:
            instance.start_wall(self._settings, now)
        self._dealer.note_progress(instance, now)

    def _outcome(
        self,
        instance: Instance,
        entry: Entry | None,
        outcome: messages.Outcomes,
        deaths: dict[int, messages.OutcomeDetail],
        now: float,
    ) -> None:
        if entry is None:
            return  # an attempt that no longer counts
        if outcome.statuses[0] == _CRASH:
            self._died(outcome.ids[0], instance, deaths[outcome.ids[0]], now)
        else:
            self._ended(instance, [entry], outcome)

    def _ended(
        self, instance: Instance, entries: Sequence[Entry], outcomes: messages.Outcomes
    ) -> None:
        instance.complete += len(entries)
        self._ledger.finish_all(entries, outcomes, instance.id)
        self._dealer.durations.note_all(entries, outcomes.seconds)

    def cancel(self, ids: Sequence[int]) -> None:
        """End those that wait, and have those stopped that may run."""
        running: dict[str, list[int]] = {}
        for task_id in ids:
            entry = self._ledger.get(task_id)
            if entry is None:
                continue
            if entry.place is Place.QUEUED:
                self._queue.drop(entry)
                self._ledger.finish_unstarted(task_id, entry)
            elif entry.instance is not None:
                self._alone(task_id, entry).cancelled = True
                running.setdefault(entry.instance, []).append(task_id)
                if (dead := self._inquests.of_task(task_id)) is not None:
                    self.judge(messages.JobEnd(dead))
        for instance_id, task_ids in running.items():
            instance = self._instances.get(instance_id)
            if instance is not None and not instance.state.final:
                self._tell_worker(instance, messages.CancelTasks(task_ids))

    def end_overdue(self, now: float) -> None:
        """End those that have waited for too long."""
        for task_id in self._ledger.overdue(now):
            self._waited_too_long(task_id)

    def _waited_too_long(self, task_id: int) -> None:
        entry = self._ledger.get(task_id)
        if entry is None:
            return
        if entry.place is Place.QUEUED:
            self._queue.drop(entry)
            self._ledger.finish_overdue(task_id, entry)
            return
        self._alone(task_id, entry).overdue = True
        instance = self._instances.get(entry.instance or "")
        if instance is not None and not instance.state.final:
            self._tell_worker(instance, messages.Recall([task_id]))  # unless it has started

    # ── Deaths ─────────────────────────────────────────────────────────────────────────────────

    def note_gone(
        self, instance: Instance, death: messages.OutcomeDetail | None, ask_at: float | None
    ) -> None:
        """A worker is gone, with all that it held.

        Args:
            instance: which.
            death: how it died, as far as that is known; None: what it held had not started.
            ask_at: the time, if its platform may know more and is to be asked.
        """
        held = list(instance.assigned)
        instance.assigned.clear()
        # They run in order, so the first was running; the others never started.
        running = held.pop(0) if held and death is not None else None
        self.put_back(held)
        if running is None or death is None:
            return
        if ask_at is None or not self._inquests.open(instance.id, running, death, ask_at):
            self._crashed(running, instance, death)

    def judge_overdue(self, now: float) -> None:
        """Decide by what is known where the platform had its time to tell more."""
        for instance_id in self._inquests.overdue(now):
            self.judge(messages.JobEnd(instance_id))

    def judge(self, end: messages.JobEnd) -> None:
        """Decide the fate of the task that a worker took with it, by what its platform says."""
        waiting = self._inquests.close(end.instance)
        instance = self._instances.get(end.instance)
        if waiting is None or instance is None:
            return
        task_id, death = waiting
        if end.cause:
            death = msgspec.structs.replace(death, cause=end.cause, error=end.reason or None)
        if self._ledger.get(task_id) is not None:
            self._crashed(task_id, instance, death)

    def _died(
        self, task_id: int, instance: Instance, death: messages.OutcomeDetail, now: float
    ) -> None:
        """A worker tells of a task that ended with its process."""
        # Somebody told the worker to end. Its platform knows who, and why.
        if death.cause == _ENDED and self._inquests.open(instance.id, task_id, death, now):
            return
        if self._crashed(task_id, instance, death):
            self._departures.outgrow(instance)

    def _crashed(self, task_id: int, instance: Instance, death: messages.OutcomeDetail) -> bool:
        """Count a crash. True when the task is tried again, and is too much for this worker."""
        again = self._ledger.crash(task_id, death, instance.id, instance.step)
        if again is None:
            return False
        self._queue.put_back([again])
        return again.step > instance.step

    def _alone(self, task_id: int, entry: Entry) -> Entry:
        """An entry for one task only, of those that a worker holds."""
        single = self._ledger.alone(task_id, entry)
        instance = self._instances.get(entry.instance or "")
        if instance is not None and task_id in instance.assigned:
            instance.assigned[task_id] = single
        return single
