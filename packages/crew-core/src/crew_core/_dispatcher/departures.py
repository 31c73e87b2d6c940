"""How workers leave: when they ask to, and when it is decided here or by the client. Pure."""

from __future__ import annotations

from collections.abc import Callable

from crew_core._dispatcher.dealer import Dealer
from crew_core._dispatcher.instances import Instance, Instances
from crew_core._model.states import InstanceState
from crew_core._wire import messages

# Why a worker is let go, beside its own reasons.
_BUDGET = "budget"  # it is used up, for now
_FORGOTTEN = "no longer needed"
_TOO_SHORT = "cannot run what waits, as its job ends too soon"
_OUTGROWN = "outgrown"  # one of a higher step is to take its place


class Departures:
    """Lets workers go once they hold nothing.

    Args:
        instances: the workers.
        dealer: gives tasks to those who stay.
        tell_worker: sends a message.
    """

    def __init__(
        self,
        instances: Instances,
        dealer: Dealer,
        tell_worker: Callable[[Instance, messages.ToWorker], None],
    ) -> None:
        self._instances = instances
        self._dealer = dealer
        self._tell_worker = tell_worker
        self._employing = True

    # ── By their own wish ──────────────────────────────────────────────────────────────────────

    def note_asked(self, instance: Instance, ask: messages.AskLeave, now: float) -> None:
        """A worker would like to leave, or has to."""
        instance.closed |= ask.must
        # Work may have crossed the question on its way: then an idle worker is none any more, and
        # one that must leave gives back first what it has not started, and asks again.
        if instance.assigned:
            return
        if not ask.must and (instance.warming or self._dealer.has_task_for(instance, now)):
            return
        self._agree(instance, ask.reason)

    # ── By decision ────────────────────────────────────────────────────────────────────────────

    def employ(self, on: bool, now: float) -> None:
        """From now on give tasks to who is here and who comes, or to nobody any more."""
        self._employing = on
        for instance in list(self._instances.living()):
            if on and instance.dismissed == _BUDGET:
                instance.dismissed = ""
                self._dealer.note_progress(instance, now)
            elif not on:
                self._dismiss(instance, _BUDGET)

    def greet(self, instance: Instance) -> None:
        """A worker has come: it may be too late."""
        if not self._employing:
            self._dismiss(instance, _BUDGET)

    def forget(self, instance_ids: list[str]) -> None:
        """Refuse them. Who has come just before leaves: nobody counts on it any more."""
        self._instances.forget(instance_ids)
        for instance in map(self._instances.get, instance_ids):
            if instance is not None and instance.state is InstanceState.ONLINE:
                self._dismiss(instance, _FORGOTTEN)

    def make_room(self, step: int, workers: int) -> None:
        """So many of lower steps go, of those that were idle for longest."""
        small = [i for i in self._dealer.idle() if i.step < step and i.ready]
        for instance in small[:workers]:
            self._dismiss(instance, _OUTGROWN)

    def outgrow(self, instance: Instance) -> None:
        """A worker was too small for its task: one of a higher step is to take its place."""
        if instance.state is InstanceState.ONLINE:
            self._dismiss(instance, _OUTGROWN)

    def relieve(self, now: float) -> None:
        """Those go that are too old for all that waits."""
        for instance in self._dealer.outlived(now):
            self._dismiss(instance, "wall_time" if instance.given else _TOO_SHORT)

    def let_go(self, instance: Instance) -> None:
        """A worker that was dismissed goes as soon as it has nothing left to do."""
        has_work = instance.assigned or instance.warming
        if instance.dismissed and instance.state is InstanceState.ONLINE and not has_work:
            self._agree(instance, instance.dismissed)

    def _dismiss(self, instance: Instance, why: str) -> None:
        """Take back what it has not started, and let it go."""
        instance.dismissed = why
        self._dealer.note_busy(instance)
        if instance.assigned:
            self._tell_worker(instance, messages.Recall(list(instance.assigned)))
        self.let_go(instance)

    def _agree(self, instance: Instance, reason: str) -> None:
        instance.state = InstanceState.DRAINING
        instance.leaving = reason
        self._dealer.note_busy(instance)
        self._tell_worker(instance, messages.Leave(now=False))
