"""The warm-ups: what every worker runs before its tasks, where, and when one is given up. Pure.

A worker runs them in order when it comes, and again in each new task process, since what they left
died with the old one. Until they have ended it is given no tasks. What it was given before, it runs
before; only in a new task process do they come first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec.structs import replace

from crew_core._dispatcher.instances import Instance
from crew_core._model.states import BLAMELESS, Status
from crew_core._wire import codec, messages


class _Known(msgspec.Struct):
    task: messages.Batch
    crashes: int = 0  # in a row, on whatever workers


class WarmUps:
    """All warm-ups that are to be run.

    Args:
        retry: how many crashes in a row are too many.
        provide: sends a worker what these tasks need; the commands to send along with them.
        tell_client: sends a message.
        tell_worker: sends a message.
    """

    def __init__(
        self,
        retry: messages.RetryPolicy,
        provide: Callable[[Instance, list[messages.Batch]], list[messages.Blob]],
        tell_client: Callable[[messages.ToClient], None],
        tell_worker: Callable[[Instance, messages.ToWorker], None],
    ) -> None:
        # At least one: nobody knows that it is deadly before it has killed.
        self._crashes_max = max(retry.crashes_max, 1) if retry.retry_tasks else 1
        self._provide = provide
        self._tell_client = tell_client
        self._tell_worker = tell_worker
        self._known: dict[int, _Known] = {}  # oldest first

    # ── Orders ─────────────────────────────────────────────────────────────────────────────────

    def begin(self, task: messages.Batch, living: Iterable[Instance]) -> None:
        """Run a new one on all workers."""
        self._known[task.first] = _Known(task)
        for instance in living:
            self._send(instance, [task])

    def greet(self, instance: Instance) -> None:
        """A worker has come: it runs them all."""
        self._send(instance, self.tasks())

    def tasks(self) -> list[messages.Batch]:
        """All of them, oldest first."""
        return [known.task for known in self._known.values()]

    def end(self, ids: Sequence[int], living: Iterable[Instance]) -> None:
        """Run these no more, and stop them where they run."""
        known = [warm_up for warm_up in ids if self._known.pop(warm_up, None) is not None]
        if known:
            for instance in living:
                self._tell_worker(instance, messages.EndWarmUps(known))

    # ── News ───────────────────────────────────────────────────────────────────────────────────

    def note_end(
        self, instance: Instance, message: messages.Warmed, living: Iterable[Instance]
    ) -> None:
        """One has ended on this worker."""
        outcome = message.outcome
        death = messages.decode_detail(outcome.detail) if message.died else None
        awaited = outcome.id in instance.warming or outcome.id in self._known
        instance.warming.pop(outcome.id, None)
        if death is not None:
            if awaited:
                self._note_death(instance, outcome, death, living)
            self._answer(instance, outcome.id)
        elif awaited:
            if outcome.id in self._known:
                self._known[outcome.id].crashes = 0
            self._tell_ran(instance, outcome)
        instance.rewarming &= bool(instance.warming)

    def note_again(self, instance: Instance, ids: Sequence[int]) -> None:
        """A worker runs these again, before anything else, in a new task process."""
        instance.warming = {warm_up: None for warm_up in ids if warm_up in self._known}
        instance.rewarming = bool(instance.warming)

    def note_gone(self, instance: Instance, cause: str, living: Iterable[Instance]) -> bool:
        """A worker was lost. True when a warm-up, not a task, was running there."""
        running = next(iter(instance.warming), None)
        if running is None or (instance.assigned and not instance.rewarming):
            return False
        death = messages.OutcomeDetail(cause=cause)
        others = [other for other in living if other is not instance]
        outcome = messages.Outcome(running, Status.CRASH, None, codec.encode(death))
        self._note_death(instance, outcome, death, others)
        return True

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _send(self, instance: Instance, tasks: list[messages.Batch]) -> None:
        if tasks and instance.staying:
            instance.warming.update((task.first, None) for task in tasks)
            blobs = self._provide(instance, tasks)
            self._tell_worker(instance, messages.WarmUps(tasks, blobs))

    def _answer(self, instance: Instance, warm_up: int) -> None:
        """The worker waits to hear whether to run again what ended its task process."""
        known = self._known.get(warm_up)
        if known is None:
            self._tell_worker(instance, messages.EndWarmUps([warm_up]))
        else:
            self._send(instance, [known.task])

    def _note_death(
        self,
        instance: Instance,
        outcome: messages.Outcome,
        detail: messages.OutcomeDetail,
        living: Iterable[Instance],
    ) -> None:
        cause = detail.cause or "killed, as it did not stop"
        error = detail.error or f"its worker went away while it ran ({cause})"
        shown = replace(outcome, detail=codec.encode(replace(detail, error=error)))
        self._tell_ran(instance, shown)
        known = self._known.get(outcome.id)
        if known is None or cause in BLAMELESS:
            return
        known.crashes += 1
        if known.crashes >= self._crashes_max:
            self.end([outcome.id], living)
            reason = _farewell(known, cause)
            self._tell_client(messages.WarmUpGivenUp(outcome.id, reason))

    def _tell_ran(self, instance: Instance, outcome: messages.Outcome) -> None:
        ran = messages.FinishedTask(outcome.id, outcome.status, outcome.seconds, 1, outcome.detail)
        self._tell_client(messages.WarmUpRan(instance.id, ran))


def _farewell(known: _Known, cause: str) -> str:
    times = "" if known.crashes == 1 else f", crash {known.crashes} in a row"
    return (
        f"warm-up {known.task.names[0]!r} is given up: a worker went away while it ran "
        f"({cause}{times}). Tasks run without it. The worker's log, controller.logs(worker), "
        "may say why."
    )
