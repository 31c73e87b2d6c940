"""The dispatcher's whole logic as a pure machine: events in, actions out. See ``loop`` for the I/O.

Every event method takes ``now``, a monotonic time in seconds. After a round of events the owner
calls ``actions(now)`` once: only then are tasks handed out and outcomes passed on, so that a burst
of events becomes few messages.
"""

from __future__ import annotations

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
from crew_core._dispatcher.departures import Departures
from crew_core._dispatcher.holdings import Holdings
from crew_core._dispatcher.inquests import Inquests
from crew_core._dispatcher.instances import IdentityError, Instance, Instances
from crew_core._dispatcher.ledger import Ledger
from crew_core._dispatcher.queue import TaskQueue
from crew_core._dispatcher.silence import Silence
from crew_core._dispatcher.tasks import Tasks
from crew_core._dispatcher.warm_ups import WarmUps
from crew_core._model.states import InstanceState
from crew_core._wire import messages

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
        self._actions: list[Action] = []
        self._ledger = Ledger(hello.retry, hello.platform.lives)
        self._queue = TaskQueue(self._ledger)
        self._instances = Instances(hello.python)
        self._warm_ups = WarmUps(hello.retry, self._provide, self._tell_client, self._tell_worker)
        self._dealer = Dealer(self._queue, hello.settings.tasks_max)
        self._holdings = Holdings(hello.object_bytes)
        self._silence = Silence(hello.seconds_heartbeat, seconds_reconnect)
        self._inquests = Inquests(hello.platform.seconds_verdict)
        self._departures = Departures(self._instances, self._dealer, self._tell_worker)
        self._tasks = Tasks(
            self._ledger,
            self._queue,
            self._dealer,
            self._inquests,
            self._instances,
            self._departures,
            hello.settings,
            self._tell_worker,
        )
        self._stop_by: float | None = None
        self._exited = False

    # ── Events from the client ─────────────────────────────────────────────────────────────────

    def on_client(self, message: messages.ToDispatcher, now: float) -> None:
        """Take one message of the client's. A second hello changes nothing."""
        match message:
            case messages.Submit():
                self._submit(message, now)
            case messages.Cancel():
                self._tasks.cancel(message.ids)
            case messages.WarmUp():
                self._warm_up(message)
            case messages.EndWarmUps():
                self._warm_ups.end(message.ids, self._instances.living())
            case messages.Expect() | messages.Forget() | messages.JobsOver() | messages.MakeRoom():
                self._on_news_of_launches(message)
            case messages.Employ():
                self._departures.employ(message.on, now)
            case messages.DropBlobs():
                self._actions += self._holdings.drop(message.digests, self._instances.living())
            case messages.Inspect():
                self._tell_client(self._inspection(message.request))
            case messages.Stop():
                self.on_stop(now)

    def _on_news_of_launches(
        self,
        message: messages.Expect | messages.Forget | messages.JobsOver | messages.MakeRoom,
    ) -> None:
        match message:
            case messages.Expect():
                self._instances.expect(message.workers)
                self._tell_client(messages.Expected(message.request))
            case messages.Forget():
                self._departures.forget(message.instances)
            case messages.JobsOver():
                self._jobs_over(message.ends)
            case messages.MakeRoom():
                self._departures.make_room(message.step, message.workers)

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
            online = messages.WorkerOnline(instance.id, hello.pid, hello.host, hello.seconds_left)
            self._tell_client(online)
            self._warm_ups.greet(instance)
            self._rest_if_warming(instance)
            self._departures.greet(instance)

    def on_worker(self, instance_id: str, message: messages.FromWorker, now: float) -> None:
        """Take one message of a worker that was admitted."""
        instance = self._instances.get(instance_id)
        if instance is None or instance.state.final:
            return
        match message:
            case messages.Outcomes():
                self._tasks.outcomes(instance, message, now)
            case messages.Warmed():
                self._warmed(instance, message, now)
            case messages.Warming():
                self._warm_ups.note_again(instance, message.ids)
                self._rest_if_warming(instance)
            case messages.Returned():
                self._tasks.returned(instance, message.ids, now)
            case messages.AskLeave():
                self._departures.note_asked(instance, message, now)
            case messages.Hello():
                pass  # a second one changes nothing
        if instance.dismissed:
            self._departures.let_go(instance)

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
        self._tasks.end_overdue(now)
        for instance in self._silence.lost(self._instances.get, now):
            self._fell_silent(instance, now)
        self._tasks.judge_overdue(now)
        if self._stop_by is not None and (now >= self._stop_by or not self._instances.living()):
            self._exit()

    def next_time(self) -> float:
        """When ``on_time`` should be called at the latest; infinity when nothing is pending."""
        due = min(self._silence.next_time(), self._inquests.next_time())
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

    # ── Handing out ────────────────────────────────────────────────────────────────────────────

    def _submit(self, message: messages.Submit, now: float) -> None:
        self._holdings.keep(message.blobs)
        batches = message.batches
        instance = None if self._stop_by is not None else self._tasks.give_at_once(batches, now)
        if instance is None:
            self._tasks.submit(batches, now)
        else:
            self._tell_worker(instance, messages.Work(batches, self._provide(instance, batches)))

    def _hand_out(self, now: float) -> None:
        for instance, entries in self._dealer.deal(now):
            batches = [entry.tasks for entry in entries]
            self._tell_worker(instance, messages.Work(batches, self._provide(instance, batches)))
        for instance, ids in self._dealer.call_back(now):
            self._tell_worker(instance, messages.Recall(ids))
        self._departures.relieve(now)

    def _provide(self, instance: Instance, tasks: list[messages.Batch]) -> list[messages.Blob]:
        """Send a worker the objects of these tasks; the commands to send along with them."""
        for task in tasks:
            if task.objects:
                pinned = self._warm_ups.tasks()
                self._actions += self._holdings.objects_for(instance, tasks, pinned)
                break
        return self._holdings.commands_for(instance, tasks)

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

    # ── Ends of workers ────────────────────────────────────────────────────────────────────────

    def _jobs_over(self, ends: list[messages.JobEnd]) -> None:
        """Do not wait for those who cannot come back, and judge those who are gone."""
        for end in ends:
            instance = self._instances.get(end.instance)
            if instance is None:
                continue
            self._tasks.judge(end)
            if instance.cut_off_at is not None and not instance.state.final:
                self._gone(instance, InstanceState.LOST, end.cause or "crash", told=end.reason)

    def _fell_silent(self, instance: Instance, now: float) -> None:
        if instance.leaving is not None:
            self._gone(instance, InstanceState.EXITED, instance.leaving)
        elif instance.pipe is None:
            self._gone(instance, InstanceState.LOST, "crash", ask_at=now)
        else:
            self._gone(instance, InstanceState.LOST, "heartbeat_lost", ask_at=now)

    def _gone(
        self,
        instance: Instance,
        state: InstanceState,
        reason: str,
        *,
        told: str = "",
        ask_at: float | None = None,
    ) -> None:
        """An instance is no more.

        Args:
            instance: which.
            state: a final one.
            reason: in a word, the cause of death of what it ran.
            told: by its platform, in more words.
            ask_at: the time, if its platform may know more and is to be asked.
        """
        planned = state is InstanceState.EXITED
        living = self._instances.living()
        in_warm_up = not planned and self._warm_ups.note_gone(instance, reason, living)
        death = messages.OutcomeDetail(cause=reason, error=told or None)
        self._tasks.note_gone(instance, None if planned or in_warm_up else death, ask_at)
        self._actions.append(HangUp(instance.id))
        self._dealer.note_gone(instance)
        self._instances.end(instance, state)
        self._tell_client(messages.WorkerGone(instance.id, planned, reason, instance.given))

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
