"""The dispatcher's whole logic as a pure machine: events in, actions out. See ``loop`` for the I/O.

Every event method takes ``now``, a monotonic time in seconds. After a round of events the owner
calls ``actions(now)`` once: only then are tasks handed out and outcomes passed on, so that a burst
of events becomes few messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from crew_core._dispatcher.actions import (
    Action,
    Admit,
    Exit,
    HangUp,
    TellClient,
    TellWorker,
    TurnAway,
)
from crew_core._dispatcher.dealer import Dealer
from crew_core._dispatcher.holdings import Holdings
from crew_core._dispatcher.instances import IdentityError, Instance, Instances
from crew_core._dispatcher.ledger import Entry, Ledger, Place
from crew_core._dispatcher.queue import TaskQueue
from crew_core._dispatcher.silence import Silence
from crew_core._dispatcher.warm_ups import WarmUps
from crew_core._model.states import InstanceState, Status
from crew_core._wire import messages

_CRASH = int(Status.CRASH)  # compared with many
_BUDGET = "budget"  # it is used up, for now

STOP_SECONDS = 5.0
"""How long a stopping dispatcher waits for its workers to go."""


class DispatcherState:
    """Tasks, workers, and what connects them.

    Args:
        hello: the client's first message, with all settings.
        seconds_reconnect: how long a worker whose connection broke may take to come back before
            it counts as lost. Zero where a broken connection proves death, as on one machine.
    """

    def __init__(self, hello: messages.ClientHello, seconds_reconnect: float) -> None:
        self._settings = hello.settings
        self._seconds_reconnect = seconds_reconnect
        self._ledger = Ledger(hello.retry)
        self._queue = TaskQueue(self._ledger)
        self._instances = Instances(hello.python)
        self._warm_ups = WarmUps(hello.retry, self._provide, self._tell_client, self._tell_worker)
        self._dealer = Dealer(self._queue, hello.settings.tasks_max)
        self._holdings = Holdings(hello.object_bytes)
        self._silence = Silence(hello.seconds_heartbeat, seconds_reconnect)
        self._actions: list[Action] = []
        self._employing = True
        self._stop_by: float | None = None
        self._exited = False

    # ── Events from the client ─────────────────────────────────────────────────────────────────

    def on_client(self, message: messages.ToDispatcher, now: float) -> None:
        """Take one message of the client's. A second hello changes nothing."""
        match message:
            case messages.Submit():
                self._submit(message, now)
            case messages.Cancel():
                self._cancel(message.ids)
            case messages.WarmUp():
                self._warm_up(message)
            case messages.EndWarmUps():
                self._warm_ups.end(message.ids, self._instances.living())
            case messages.Expect() | messages.Forget() | messages.JobsOver():
                self._on_news_of_launches(message)
            case messages.Employ():
                self._employ(message.on, now)
            case messages.DropBlobs():
                self._actions += self._holdings.drop(message.digests, self._instances.living())
            case messages.Inspect():
                self._tell_client(self._inspection(message.request))
            case messages.Stop():
                self.on_stop(now)

    def _on_news_of_launches(
        self, message: messages.Expect | messages.Forget | messages.JobsOver
    ) -> None:
        match message:
            case messages.Expect():
                self._instances.expect(message.workers)
                self._tell_client(messages.Expected(message.request))
            case messages.Forget():
                self._forget(message.instances)
            case messages.JobsOver():
                self._jobs_over(message.instances)

    def on_object(self, digest: bytes, size: int) -> None:
        """The client put an object of so many bytes."""
        self._holdings.note_object(digest, size)

    def on_stop(self, now: float) -> None:
        """The client said goodbye, or is gone: everybody leaves."""
        if self._stop_by is not None:
            return
        self._stop_by = now + STOP_SECONDS
        for instance in self._instances.living():
            if instance.pipe is not None:
                self._tell_worker(instance, messages.Leave(now=True))
            instance.state = InstanceState.DRAINING
            instance.leaving = "terminated"

    # ── Events from workers ────────────────────────────────────────────────────────────────────

    def on_hello(self, pipe: int, hello: messages.Hello, now: float) -> None:
        """Somebody dialled and said who it is."""
        try:
            if self._stop_by is not None:
                raise IdentityError("the controller is stopping")
            instance = self._instances.identify(hello)
        except IdentityError as error:
            self._actions.append(TurnAway(pipe, messages.Refused(str(error)), error.instance))
            return
        again = self._instances.connect(instance, pipe, hello, now)
        self._actions.append(Admit(pipe, instance.id, again, messages.Welcome(self._settings)))
        self._silence.watch(instance)
        if again:
            self._tell_client(messages.WorkerCut(instance.id, here=True))
            self._dealer.note_back(instance)
        if not again:
            self._dealer.note_here(instance)
            instance.start_wall(self._settings, now)
            self._tell_client(messages.WorkerOnline(instance.id, hello.pid, hello.host))
            self._warm_ups.greet(instance)
            self._rest_if_warming(instance)
            if not self._employing:
                self._dismiss(instance, _BUDGET)

    def on_worker(self, instance_id: str, message: messages.FromWorker, now: float) -> None:
        """Take one message of a worker that was admitted."""
        instance = self._instances.get(instance_id)
        if instance is None or instance.state.final:
            return
        match message:
            case messages.Outcomes():
                self._outcomes(instance, message, now)
            case messages.Warmed():
                self._warmed(instance, message, now)
            case messages.Warming():
                self._warm_ups.note_again(instance, message.ids)
                self._rest_if_warming(instance)
            case messages.Returned():
                self._returned(instance, message.ids, now)
            case messages.AskLeave():
                self._asked_to_leave(instance, message)
            case messages.Hello():
                pass  # a second one changes nothing
        if instance.dismissed:
            self._let_go(instance)

    def on_nonsense(self, instance_id: str) -> None:
        """This worker said what no worker says: it is given up, and others run its tasks."""
        instance = self._instances.get(instance_id)
        if instance is not None and instance.life is not None and not instance.state.final:
            self._gone(instance, InstanceState.LOST, "crash")

    def on_heard(self, instance_id: str, now: float) -> None:
        """A frame came from this worker: it is alive."""
        instance = self._instances.get(instance_id)
        if instance is not None:
            instance.last_heard = now

    def on_pipe_lost(self, pipe: int, now: float) -> None:
        """A connection closed."""
        instance = self._instances.cut_off(pipe, now)
        if instance is None:
            return
        if instance.leaving is not None:
            self._gone(instance, InstanceState.EXITED, instance.leaving)
        elif self._seconds_reconnect <= 0:
            self._gone(instance, InstanceState.LOST, "crash")
        else:
            self._silence.watch(instance)
            self._tell_client(messages.WorkerCut(instance.id, here=False))

    # ── Time ───────────────────────────────────────────────────────────────────────────────────

    def on_time(self, now: float) -> None:
        """Let time pass: queue limits, silent workers, the end of a stop."""
        for task_id in self._ledger.overdue(now):
            self._waited_too_long(task_id)
        for instance in self._silence.lost(self._instances.get, now):
            self._fell_silent(instance)
        if self._stop_by is not None and (now >= self._stop_by or not self._instances.living()):
            self._exit()

    def next_time(self) -> float:
        """When ``on_time`` should be called at the latest; infinity when nothing is pending."""
        due = self._silence.next_time()
        deadline = self._ledger.next_deadline()
        if deadline is not None:
            due = min(due, deadline)
        if self._stop_by is not None:
            return min(due, self._stop_by)  # tasks are dealt out no more, however long they wait
        return min(due, self._dealer.next_time())

    # ── What to do ─────────────────────────────────────────────────────────────────────────────

    def actions(self, now: float) -> list[Action]:
        """What follows from the events since the last call."""
        if self._stop_by is None:
            self._hand_out(now)
        if self._ledger.has_news:
            for message in self._ledger.news(self._holdings.commands):
                self._tell_client(message)
        if self._stop_by is not None and not self._instances.living():
            self._exit()
        actions, self._actions = self._actions, []
        return actions

    # ── Tasks ──────────────────────────────────────────────────────────────────────────────────

    def _submit(self, message: messages.Submit, now: float) -> None:
        self._holdings.keep(message.blobs)
        if self._give_at_once(message.batches, now):
            return
        for batch in message.batches:
            self._queue.append(self._ledger.open(batch, now))

    def _give_at_once(self, batches: list[messages.Batch], now: float) -> bool:
        """Spare a lone task the queue: who sends one waits for it. False when it must queue."""
        if len(batches) != 1 or len(batches[0].names) != 1 or self._stop_by is not None:
            return False
        instance = self._dealer.who_is_idle()
        if instance is None or batches[0].seconds_expected is not None:
            return False
        self._dealer.give(instance, self._ledger.open(batches[0], now), now)
        self._tell_worker(instance, messages.Work(batches, self._provide(instance, batches)))
        return True

    def _cancel(self, ids: list[int]) -> None:
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
        for instance_id, task_ids in running.items():
            instance = self._instances.get(instance_id)
            if instance is not None:
                self._tell_worker(instance, messages.CancelTasks(task_ids))

    def _outcomes(self, instance: Instance, message: messages.Outcomes, now: float) -> None:
        deaths = message.deaths() if _CRASH in message.statuses else {}
        held = instance.assigned
        before = len(held)
        entries = [held.pop(task_id, None) for task_id in message.ids]
        ours = len(held) == before - len(entries)
        if ours and entries and not deaths:
            self._ended(instance, cast("list[Entry]", entries), message)
        else:
            for entry, outcome in zip(entries, message.one_by_one(), strict=True):
                self._outcome(instance, entry, outcome, deaths)
        if instance.complete:
            instance.start_wall(self._settings, now)
        self._dealer.note_progress(instance, now)

    def _outcome(
        self,
        instance: Instance,
        entry: Entry | None,
        outcome: messages.Outcomes,
        deaths: dict[int, messages.OutcomeDetail],
    ) -> None:
        if entry is None:
            return  # an attempt that no longer counts
        if outcome.statuses[0] == _CRASH:
            self._crashed(outcome.ids[0], instance, deaths[outcome.ids[0]])
        else:
            self._ended(instance, [entry], outcome)

    def _ended(
        self, instance: Instance, entries: Sequence[Entry], outcomes: messages.Outcomes
    ) -> None:
        instance.complete += len(entries)
        self._ledger.finish_all(entries, outcomes, instance.id)
        self._dealer.durations.note_all(entries, outcomes.seconds)

    def _returned(self, instance: Instance, ids: list[int], now: float) -> None:
        instance.recalling = False
        held = [i for i in ids if instance.assigned.pop(i, None) is not None]
        instance.given -= len(held)
        self._put_back(held, called_back=True)
        self._dealer.note_progress(instance, now)

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
        if instance is not None:
            self._tell_worker(instance, messages.Recall([task_id]))  # unless it has started

    def _put_back(self, ids: Iterable[int], *, called_back: bool = False) -> None:
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

    def _crashed(self, task_id: int, instance: Instance, death: messages.OutcomeDetail) -> None:
        again = self._ledger.crash(task_id, death, instance.id)
        if again is not None:
            self._queue.put_back([again])

    def _alone(self, task_id: int, entry: Entry) -> Entry:
        """An entry for one task only, of those that a worker holds."""
        single = self._ledger.alone(task_id, entry)
        instance = self._instances.get(entry.instance or "")
        if instance is not None and task_id in instance.assigned:
            instance.assigned[task_id] = single
        return single

    # ── Warm-ups ───────────────────────────────────────────────────────────────────────────────

    def _warm_up(self, message: messages.WarmUp) -> None:
        self._holdings.keep(message.blobs)
        self._warm_ups.begin(message.task, self._instances.living())
        self._rest_if_warming(*self._instances.living())

    def _warmed(self, instance: Instance, message: messages.Warmed, now: float) -> None:
        self._warm_ups.note_end(instance, message, self._instances.living())
        if not instance.warming:
            self._dealer.note_progress(instance, now)

    def _rest_if_warming(self, *instances: Instance) -> None:
        """A worker is given nothing, and counts as busy, until its warm-ups have ended."""
        for instance in instances:
            if instance.warming:
                self._dealer.note_busy(instance)

    # ── Workers ────────────────────────────────────────────────────────────────────────────────

    def _asked_to_leave(self, instance: Instance, ask: messages.AskLeave) -> None:
        instance.closed |= ask.must
        # Work may have crossed the question on its way: then an idle worker is none any more, and
        # one that must leave gives back first what it has not started, and asks again.
        if instance.assigned or (not ask.must and (self._queue or instance.warming)):
            return
        self._agree(instance, ask.reason)

    def _agree(self, instance: Instance, reason: str) -> None:
        instance.state = InstanceState.DRAINING
        instance.leaving = reason
        self._dealer.note_busy(instance)
        self._tell_worker(instance, messages.Leave(now=False))

    def _employ(self, on: bool, now: float) -> None:
        """From now on give tasks to who is here and who comes, or to nobody any more."""
        self._employing = on
        for instance in list(self._instances.living()):
            if on and instance.dismissed == _BUDGET:
                instance.dismissed = ""
                self._dealer.note_progress(instance, now)
            elif not on:
                self._dismiss(instance, _BUDGET)

    def _forget(self, instance_ids: list[str]) -> None:
        """Refuse them. Who has come just before leaves: nobody counts on it any more."""
        self._instances.forget(instance_ids)
        for instance in map(self._instances.get, instance_ids):
            if instance is not None and instance.state is InstanceState.ONLINE:
                self._dismiss(instance, "no longer needed")

    def _dismiss(self, instance: Instance, why: str) -> None:
        """Take back what it has not started, and let it go once it has nothing left to do."""
        instance.dismissed = why
        self._dealer.note_busy(instance)
        if instance.assigned:
            self._tell_worker(instance, messages.Recall(list(instance.assigned)))
        self._let_go(instance)

    def _let_go(self, instance: Instance) -> None:
        has_work = instance.assigned or instance.warming
        if instance.state is InstanceState.ONLINE and not has_work:
            self._agree(instance, instance.dismissed)

    def _jobs_over(self, instance_ids: list[str]) -> None:
        """Do not wait for those who cannot come back."""
        for instance in map(self._instances.get, instance_ids):
            if instance is None or instance.state.final:
                continue
            if instance.cut_off_at is not None:
                self._gone(instance, InstanceState.LOST, "crash")

    def _fell_silent(self, instance: Instance) -> None:
        if instance.leaving is not None:
            self._gone(instance, InstanceState.EXITED, instance.leaving)
        elif instance.pipe is None:
            self._gone(instance, InstanceState.LOST, "crash")
        else:
            self._gone(instance, InstanceState.LOST, "heartbeat_lost")

    def _gone(self, instance: Instance, state: InstanceState, reason: str) -> None:
        planned = state is InstanceState.EXITED
        living = self._instances.living()
        in_warm_up = not planned and self._warm_ups.note_gone(instance, reason, living)
        held = list(instance.assigned)
        instance.assigned.clear()
        if held and not planned and not in_warm_up:
            # They run in order, so the first was running; the others never started.
            running = held.pop(0)
            self._put_back(held)
            self._crashed(running, instance, messages.OutcomeDetail(cause=reason))
        else:
            self._put_back(held)
        self._actions.append(HangUp(instance.id))
        self._dealer.note_gone(instance)
        self._instances.end(instance, state)
        self._tell_client(messages.WorkerGone(instance.id, planned, reason, instance.given))

    # ── Handing out ────────────────────────────────────────────────────────────────────────────

    def _hand_out(self, now: float) -> None:
        for instance, entries in self._dealer.deal(now):
            batches = [entry.tasks for entry in entries]
            self._tell_worker(instance, messages.Work(batches, self._provide(instance, batches)))
        for instance, ids in self._dealer.call_back(now):
            self._tell_worker(instance, messages.Recall(ids))

    def _provide(self, instance: Instance, tasks: list[messages.Batch]) -> list[messages.Blob]:
        """Send a worker the objects of these tasks; the commands to send along with them."""
        for task in tasks:
            if task.objects:
                pinned = self._warm_ups.tasks()
                self._actions += self._holdings.objects_for(instance, tasks, pinned)
                break
        return self._holdings.commands_for(instance, tasks)

    # ── Telling ────────────────────────────────────────────────────────────────────────────────

    def _inspection(self, request: int) -> messages.Inspection:
        running = len(self._ledger) - len(self._queue)
        return messages.Inspection(request, len(self._queue), running, self._instances.inspected())

    def _tell_client(self, message: messages.ToClient) -> None:
        self._actions.append(TellClient(message))

    def _tell_worker(self, instance: Instance, message: messages.ToWorker) -> None:
        # Also when its connection is broken: the link keeps the message until it is back.
        self._actions.append(TellWorker(instance.id, message))

    def _exit(self) -> None:
        if not self._exited:
            self._exited = True
            self._actions.append(Exit())
