"""A worker's supervisor: between the dispatcher and the task process, and never running user code.

::

    dispatcher ◄═ frames ═► Conversation ─► Supervisor ─► Runner ══ pipes ══► task process
                                              │                                  │
                                           Leaving (pure)             output ─► CappedLog

One thread, one selector. Signals only wake the selector: SIGCHLD to settle what the task process
ran, SIGTERM and what else platforms send first to give back what has not started and go.
"""

from __future__ import annotations

import contextlib
import selectors
import time
from collections.abc import Callable

from crew_core._wire import messages
from crew_core._wire.capped_log import CappedLog
from crew_core._wire.segments.lock import DYING_SECONDS, remove_left_over
from crew_core._worker import printing
from crew_core._worker.conversation import SILENCE_SECONDS, Conversation
from crew_core._worker.descendants import end_all, reap
from crew_core._worker.gathering import Gathering
from crew_core._worker.leaving import Leaving
from crew_core._worker.lifetime import Lifetime
from crew_core._worker.process import TaskProcess
from crew_core._worker.rest import Rest, wait_for_others
from crew_core._worker.runner import Runner
from crew_core._worker.signals import Signals, ask_for_end, ended_by_such

_EXIT_SECONDS = 2.0
_ASK_AGAIN_SECONDS = 1.0
_LEAVE_ANYWAY_SECONDS = 5.0  # who must leave, and owes nothing, waits no longer to agree on it
_WAIT_SECONDS_MAX = 60.0


class Supervisor:
    """Runs until the worker has reason to leave.

    Args:
        conversation: with the dispatcher.
        first_process: the task process, started early so that both sides come up at once.
        start_process: starts another.
        log: where the task process' output goes; None: it has our own.
        grace: seconds to stay without a dispatcher.
        instance: this worker's id.
        lifetime: of the job that we are; None: without end.
        clock: monotonic.
    """

    def __init__(
        self,
        conversation: Conversation,
        first_process: TaskProcess,
        start_process: Callable[[], TaskProcess],
        *,
        log: CappedLog | None,
        grace: float,
        instance: str,
        lifetime: Lifetime | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._lifetime = lifetime or Lifetime(float("inf"), clock())
        self._end_at = self._lifetime.end_at
        self._conversation = conversation
        self._spawn = start_process
        self._log = log
        self._grace = grace
        self._instance = instance
        self._settings: messages.WorkerSettings | None = None
        self._leaving: Leaving | None = None
        self._must_leave: str | None = None
        self._asked_at: float | None = None
        self._over: str | None = None  # why the loop ends
        self._gently = True
        self._gathering = Gathering()
        self._listen_due = self._runner_due = self._departure_due = 0.0
        self._rest = Rest()
        self._rests_until = 0.0  # without a look at the task process
        self._owes_outcomes = False  # the dispatcher may not have all that it was told
        self._selector = conversation.dialer.selector
        self._signals = self._catch_signals()
        self._register(self._signals.fileno())
        self._watched: list[int] = []
        self._waits_for_room = False
        self._spare: TaskProcess | None = first_process
        self._runner = Runner(self._start_process, self._note)

    def run(self) -> str:
        """Serve. Returns why it ended."""
        try:
            while self._over is None:
                self._turn()
            return self._over
        finally:
            self._finish()

    def _turn(self) -> None:
        ready = self._wait()
        now = self._clock()
        conversation, runner = self._conversation, self._runner
        signalled = self._signals.fileno() in ready
        if signalled:
            self._on_signals(now)
        if runner.process.output_fd in ready:
            self._pump_log()
        heard = conversation.dialer.fileno in ready
        if heard or now >= self._listen_due:
            for message in conversation.listen(now, heard):
                self._on_message(message, now)
        spoken = runner.process.outbox_fd in ready
        if runner.broken is None:
            self._serve_runner(ready, now)
        self._report(now)
        # What a busy worker was only given makes it leave no sooner.
        if spoken or signalled or not heard or runner.idle or now >= self._departure_due:
            self._consider_leaving(now)
        if not heard:
            self._check_dispatcher(now)
        self._watch_room()

    def _wait(self) -> set[int]:
        """Sleep until there is something to do; the descriptors that are ready."""
        due, now = self._next_time(), self._clock()
        if now < self._rests_until:
            return self._wait_at_rest(min(due, self._rests_until) - now)
        ready = self._selector.select(max(0.0, min(due - now, _WAIT_SECONDS_MAX)))
        return {key.fd for key, _ in ready}

    def _wait_at_rest(self, seconds: float) -> set[int]:
        return wait_for_others(self._selector, self._runner.process.outbox_fd, seconds)

    def _next_time(self) -> float:
        """When there is something to do at the latest; and note what."""
        self._listen_due = self._conversation.next_time()
        self._runner_due = self._runner.next_time()
        self._departure_due = self._next_departure()
        gathered = self._gathering.next_time()
        return min(self._listen_due, self._runner_due, self._departure_due, gathered)

    # ── The dispatcher's orders ────────────────────────────────────────────────────────────────

    def _on_message(self, message: messages.ToWorker, now: float) -> None:
        match message:
            case messages.Work():
                self._take_on(message, now)
            case messages.WarmUps():
                self._take_on_warm_ups(message, now)
            case messages.EndWarmUps():
                self._runner.end_warm_ups(message.ids, now)
            case messages.Recall():
                self._conversation.say(messages.Returned(self._runner.give_back(message.ids)), now)
            case messages.CancelTasks():
                self._runner.cancel(message.ids, now)
            case messages.HoldObject() | messages.ForgetBlobs():
                self._on_belongings(message)
            case messages.Welcome():
                self._welcome(message.settings, now)
            case messages.Leave():
                self._gently = not message.now
                self._over = self._must_leave or ("terminated" if message.now else "idle")
            case messages.Refused():
                self._gently = False
                self._over = f"refused: {message.reason}"

    def _on_belongings(self, message: messages.HoldObject | messages.ForgetBlobs) -> None:
        if isinstance(message, messages.HoldObject):
            self._runner.hold_object(message)
        else:
            self._runner.forget_blobs(message.digests)

    def _welcome(self, settings: messages.WorkerSettings, now: float) -> None:
        if self._settings is not None:
            return  # a connection that came back
        self._settings = settings
        self._conversation.set_heartbeat(settings.seconds_heartbeat)
        self._leaving = Leaving(settings, now, self._lifetime)
        self._send_settings(self._runner.process)

    def _take_on(self, work: messages.Work, now: float) -> None:
        self._asked_at = None
        if self._must_leave is not None:  # it crossed our question on its way
            ids = [task_id for batch in work.batches for task_id in batch.ids]
            self._conversation.say(messages.Returned(ids), now)
            return
        if self._runner.idle:
            self._rest.begin(now)
        self._runner.add(work, now)
        if self._leaving is not None:
            self._leaving.note_idle(False, now)

    def _take_on_warm_ups(self, order: messages.WarmUps, now: float) -> None:
        if self._must_leave is not None:
            return
        self._asked_at = None
        self._runner.add_warm_ups(order, now)
        if self._leaving is not None:
            self._leaving.note_idle(False, now)

    # ── The task process ───────────────────────────────────────────────────────────────────────

    def _serve_runner(self, ready: set[int], now: float) -> None:
        runner = self._runner
        if runner.process.outbox_fd in ready:
            self._rests_until = now + self._rest.after(*runner.on_output(now), runner.ahead, now)
        if self._waits_for_room:
            runner.on_room()
        if now >= self._runner_due:
            runner.on_time(now)

    def _start_process(self) -> TaskProcess:
        process, self._spare = self._spare or self._spawn(), None
        self._watch_nothing()
        self._watched = [process.outbox_fd]
        if process.output_fd is not None:
            self._watched.append(process.output_fd)
        for fd in self._watched:
            self._register(fd)
        if self._settings is not None:
            self._send_settings(process)
        return process

    def _send_settings(self, process: TaskProcess) -> None:
        assert self._settings is not None
        process.feed.put(messages.TaskProcessSettings(self._settings, self._instance))
        with contextlib.suppress(OSError):  # it died; SIGCHLD tells
            process.feed.flush()

    def _watch_nothing(self) -> None:
        """The task process has ended."""
        for fd in self._watched:
            self._selector.unregister(fd)
        self._watched = []
        self._waits_for_room = False

    def _watch_room(self) -> None:
        """Look out for room in the inbox exactly while something waits for it."""
        feed = self._runner.process.feed
        wanted = self._runner.broken is None and feed.wants_write
        if wanted is not self._waits_for_room:
            self._waits_for_room = wanted
            if wanted:
                self._register(feed.fileno(), selectors.EVENT_WRITE)
                self._watched.append(feed.fileno())
            else:
                self._watched.remove(feed.fileno())
                self._selector.unregister(feed.fileno())

    def _pump_log(self) -> None:
        fd = self._runner.process.output_fd
        if fd is None or self._log is None or printing.move_some(fd, self._log):
            return
        if fd in self._watched:  # all writers are gone, though the process may live on
            self._watched.remove(fd)
            self._selector.unregister(fd)

    def _drain_log(self) -> None:
        fd = self._runner.process.output_fd
        if fd is not None and self._log is not None:
            printing.move_all(fd, self._log)

    def _on_signals(self, now: float) -> None:
        numbers = self._signals.take()
        status = self._exit_status()
        if status is not None and ended_by_such(status) and not ask_for_end(numbers):
            numbers += self._signals.take_late()
        if ask_for_end(numbers):
            self._leave_because("terminated", now)
            self._runner.kill_running(self._cause_of_end(now))
            if self._settings is None:  # never let in: there is nobody to agree with
                self._gently, self._over = False, "terminated"
        if status is not None and self._runner.broken is None:
            self._drain_log()
            self._watch_nothing()
            self._runner.on_exit(status, now)

    def _cause_of_end(self, now: float) -> str:
        """Why our platform ends us, as far as we can know."""
        return "wall_time" if now >= self._lifetime.leave_at else "job_ended"

    def _exit_status(self) -> int | None:
        """The task process' status, if it has ended."""
        return reap(self._runner.process.pid)

    # ── Telling, leaving ───────────────────────────────────────────────────────────────────────

    def _report(self, now: float) -> None:
        for news in self._runner.take_warm_news():
            self._conversation.say(news, now)
        ended = self._runner.take_outcomes()
        if ended and self._leaving is not None:
            # All of them count, as the dispatcher counts all that it gave us.
            self._leaving.note_done(len(ended), now)
        outcomes = self._gathering.take(ended, self._runner.ahead, now)
        if outcomes is not None:
            self._owes_outcomes = True
            self._conversation.say(outcomes, now)

    def _consider_leaving(self, now: float) -> None:
        if self._leaving is None or self._over is not None:
            return
        idle = self._runner.idle
        self._leaving.note_idle(idle, now)
        if self._must_leave is None:
            reason = self._runner.broken or self._leaving.must(now)
            if reason is not None:
                self._leave_because(reason, now)
        if now >= self._end_at and not idle:
            self._end_at = float("inf")
            self._runner.kill_running("wall_time")
        if idle and self._asked_at is not None and now < self._asked_at + _ASK_AGAIN_SECONDS:
            return
        # Whoever has begun something since it asked, if only warm-ups, is not woken to ask again.
        reason = (self._must_leave or self._leaving.may(now)) if idle else None
        self._asked_at = None if reason is None else now
        if reason is not None:
            ask = messages.AskLeave(reason, must=self._must_leave is not None)
            self._conversation.say(ask, now)

    def _leave_because(self, reason: str, now: float) -> None:
        if self._must_leave is None:
            self._must_leave = reason
            self._note(f"leaves: {reason}")
            # First, lest what we give back comes again.
            self._asked_at = now if self._runner.idle else None
            self._conversation.say(messages.AskLeave(reason, must=True), now)
            if given_back := self._runner.give_back():
                self._asked_at = None
                self._conversation.say(messages.Returned(given_back), now)

    def _next_departure(self) -> float:
        end_at = float("inf") if self._runner.idle else self._end_at
        if self._leaving is None or not self._conversation.connected:
            return min(self._gives_up_at(), end_at)
        if self._asked_at is not None:
            return min(self._asked_at + _ASK_AGAIN_SECONDS, end_at)
        return self._leaving.next_time() if self._must_leave is None else end_at

    def _gives_up_at(self) -> float:
        """When to leave if there is no word of the dispatcher's until then."""
        conversation = self._conversation
        if conversation.connected:
            return conversation.last_heard + SILENCE_SECONDS
        at = conversation.last_heard + self._grace
        if self._must_leave is not None and self._runner.idle and not self._owes_outcomes:
            at = min(at, conversation.broke_at + _LEAVE_ANYWAY_SECONDS)
        return at

    def _check_dispatcher(self, now: float) -> None:
        if self._conversation.settled:
            self._owes_outcomes = False
        if self._over is None and now >= self._gives_up_at():
            self._gently = False
            self._over = f"no dispatcher for {now - self._conversation.last_heard:.0f} s"

    # ── Housekeeping ───────────────────────────────────────────────────────────────────────────

    def _finish(self) -> None:
        # From now on children are waited for one by one.
        self._signals.release()
        self._selector.unregister(self._signals.fileno())
        process = self._runner.process
        if self._runner.broken is None:
            process.let_go(_EXIT_SECONDS if self._gently else 0.0)
            self._drain_log()
            process.close()
        self._say_the_last()
        end_all()
        self._remove_segments()
        self._note(f"worker ended: {self._over or 'by an error'}")
        if self._log is not None:
            self._log.close()
        self._conversation.dialer.close()

    def _remove_segments(self) -> None:
        """Remove the segments if they are nobody's, as they are when all others were killed."""
        if self._settings is None or not self._settings.segments:
            return
        self._conversation.listen(self._clock(), True)  # it may have died since it told us to go
        orphaned = not self._conversation.connected
        remove_left_over(self._settings.segments, DYING_SECONDS if orphaned else 0.0)

    def _say_the_last(self) -> None:
        """Wait a moment for the dispatcher to have what we said, when we leave by agreement."""
        conversation = self._conversation
        deadline = self._clock() + (_EXIT_SECONDS if self._gently else 0.0)
        ready = False
        while not conversation.settled and (now := self._clock()) < deadline:
            conversation.listen(now, ready)
            if not conversation.connected:
                return
            told = self._selector.select(deadline - now)
            ready = conversation.dialer.fileno in {key.fd for key, _ in told}

    def _note(self, text: str) -> None:
        if self._log is not None:
            self._log.note(text)

    def _register(self, fd: int, event: int = selectors.EVENT_READ) -> None:
        self._selector.register(fd, event)

    def _catch_signals(self) -> Signals:
        return Signals()
