"""A dispatcher and its only worker in the user's own process: the sequential controller's engine.

It is told what a dispatcher is told, and answers with the same messages, but runs tasks only when
somebody calls ``run``, in the thread of who does::

    push ──► Client.submit ──► queue           run ──► Guest ──► Finished ──► Session's listener

One thread runs tasks at a time; what other threads queue meanwhile, it runs as well. A task may
queue tasks, too: those have a queue of their own, and run inside of it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from crew_core._client.client import Client
from crew_core._dispatcher.ledger import Entry, Ledger, Place
from crew_core._dispatcher.queue import TaskQueue
from crew_core._model.states import Status
from crew_core._wire import codec, messages
from crew_core._worker.alarm import GuestInterrupts
from crew_core._worker.guest import Guest
from crew_core._worker.interrupts import TaskInterrupt
from crew_core._worker.objects import Objects
from crew_core._worker.stops import CANCELLED, overdue_text, stopped

URL = "this process"
_WORKER = 1


class InProcessClient(Client):
    """A client whose dispatcher is an object."""

    def __init__(
        self,
        *,
        settings: messages.WorkerSettings,
        retry: messages.RetryPolicy,
        seconds_timeout: float,
        listener: Callable[[messages.ToClient], None],
        arrive: Callable[[], str],
    ) -> None:
        self.dispatcher = InProcessDispatcher(self._on_message, arrive)
        super().__init__(
            settings=settings,
            retry=retry,
            seconds_heartbeat=settings.seconds_heartbeat,
            object_bytes=0,
            seconds_timeout=seconds_timeout,
            listener=listener,
            on_lost=lambda _error: None,
        )

    def _open(
        self,
        settings: messages.WorkerSettings,  # noqa: ARG002 - its hello has them
    ) -> tuple[InProcessDispatcher, InProcessDispatcher]:
        return self.dispatcher, self.dispatcher


@dataclass
class _Running:
    """A task that runs, perhaps with others inside of it."""

    entry: Entry
    interrupts: GuestInterrupts


class InProcessDispatcher:
    """The queue, and the loop that runs what is in it.

    Args:
        listener: told what a dispatcher tells; called in the thread that runs tasks.
        arrive: enters the only worker; called once, before the first task. Its instance.
    """

    def __init__(
        self, listener: Callable[[messages.ToClient], None], arrive: Callable[[], str]
    ) -> None:
        self.pid = os.getpid()
        self._listener = listener
        self._arrive = arrive
        self._lock = threading.Lock()
        self._thread: int | None = None  # the one that runs tasks
        self._settings: messages.WorkerSettings | None = None
        self._ledger = Ledger(messages.RetryPolicy())
        self._queues = [TaskQueue(self._ledger)]  # the last is that of the innermost running task
        self._queue_of: dict[int, TaskQueue] = {}
        self._running: list[_Running] = []  # outermost first
        self._warm_ups: deque[Entry] = deque()  # not run yet
        self._guests: list[Guest] = []  # by how deep the task runs inside of others
        self._blobs: dict[bytes, bytes] = {}
        self._objects = Objects()
        self._instance: str | None = None
        self._given = self._complete = 0
        self._stopped = False

    # ── What the client says ───────────────────────────────────────────────────────────────────

    def post(self, *items: messages.ToDispatcher | messages.Batch | messages.Blob) -> None:
        """Take messages in. Runs nothing."""
        for item in items:
            match item:
                case messages.Batch():
                    self._queue(item)
                case messages.Blob():
                    self._blobs[item.digest] = item.payload
                case messages.Cancel():
                    self._cancel(item.ids)
                case messages.WarmUp():
                    self._warm_up(item)
                case messages.EndWarmUps():
                    self._end_warm_ups(item.ids)
                case messages.DropBlobs():
                    self._drop_blobs(item.digests)
                case messages.Stop():
                    self._stop()
                case _:
                    self._answer(item)

    def post_task(self, like: messages.Batch, task_id: int, name: str, body: bytes) -> None:
        """Queue a task. Runs nothing."""
        self._queue(replace(like, first=task_id, names=[name], bodies=[body]))

    def close(self) -> None:
        """Nothing is left to be sent."""

    def abandon(self) -> None:
        """In a forked child: nothing here is shared with the parent."""

    def is_receiving_thread(self) -> bool:
        """False: answers come at once, in whichever thread asks."""
        return False

    def end(self, seconds: float) -> None:
        """There is no process to end."""

    def how_it_ended(self) -> str:
        """It ends with this process."""
        return "it is this process"

    def last_words(self) -> str:
        """None: it has no log."""
        return ""

    # ── Running ────────────────────────────────────────────────────────────────────────────────

    @property
    def waiting(self) -> bool:
        """True when ``run`` in this thread would find something."""
        return bool(self._my_queue()) or bool(self._warm_ups)

    def is_inside(self) -> bool:
        """True in the thread of a running task."""
        return bool(self._running) and self._thread == threading.get_ident()

    def run(
        self,
        done: Callable[[], bool] = lambda: False,
        between: Callable[[], object] = lambda: None,
    ) -> bool:
        """Run what waits, in this thread, and return when nothing does. True when a task was run.

        When another thread is at it, this returns at once, and the other goes on.

        Args:
            done: asked before each task: is that enough?
            between: called after each task.

        Raises:
            KeyboardInterrupt: Ctrl-C. The running task's record says so; the others wait.
            bdb.BdbQuit: as Ctrl-C, for who quits the debugger.
        """
        ran = False
        try:
            while not done() and self._run_next():
                ran = True
                between()
        finally:
            with self._lock:
                self._let_go()
        return ran

    def _run_next(self) -> bool:
        """Run one task. False when there is none, or when another thread runs them."""
        interrupts = GuestInterrupts()
        interrupts.install()  # from here on Ctrl-C waits until what we do is whole
        to_raise: BaseException | None = None
        try:
            with self._lock:
                entry = self._take()
            self._tell()
            if entry is not None:
                to_raise = self._run_entry(entry, interrupts)
        finally:
            interrupts.leave()
        if to_raise is not None:
            raise to_raise
        return entry is not None

    def _take(self) -> Entry | None:
        me = threading.get_ident()
        if self._stopped or self._thread not in (None, me):
            return None
        self._thread = me
        for late in self._ledger.overdue(time.monotonic()):
            entry = self._ledger.get(late)
            if entry is not None and entry.place is Place.QUEUED:
                self._queue_of.pop(late).drop(entry)
                self._ledger.finish_overdue(late, entry)
        taken = self._queues[-1].take(1)
        if self._warm_ups and not self._running:
            self._queues[-1].put_back(taken)
            return self._warm_ups.popleft()
        if not taken:
            self._let_go()  # under the same lock: what is queued from now on finds nobody at it
            return None
        return taken[0]

    def _let_go(self) -> None:
        if not self._running and self._thread == threading.get_ident():
            self._thread = None

    def _run_entry(self, entry: Entry, interrupts: GuestInterrupts) -> BaseException | None:
        """Run a task and tell its outcome; what to raise afterwards in the caller's thread."""
        outer = self._running[-1].interrupts if self._running else None
        outer_fired = outer is not None and outer.fired
        if self._instance is None:
            self._instance = self._arrive()
        guest = self._guest(len(self._running))
        task = entry.tasks
        guest.hold(task.digest, self._blobs[task.digest])
        self._begin(entry, interrupts)
        try:
            if task.seconds_timeout is not None:
                interrupts.limit(task.seconds_timeout)
            done = guest.run(task, interrupts)
        except BaseException as error:
            self._end(entry, _defect(task, error))
            raise
        to_raise = interrupts.from_host or _debugger_quit(done)
        if to_raise is None and outer is not None and outer.fired and not outer_fired:
            to_raise = TaskInterrupt()
        self._end(entry, _judge(task, done, interrupts, to_raise))
        return to_raise

    def _begin(self, entry: Entry, interrupts: GuestInterrupts) -> None:
        with self._lock:
            entry.place = Place.ASSIGNED
            entry.attempts += 1
            self._given += entry.first < messages.WARM_UP_IDS
            self._running.append(_Running(entry, interrupts))
            self._queues.append(TaskQueue(self._ledger))
            if entry.cancelled:
                interrupts.cancelled = True

    def _end(self, entry: Entry, outcome: messages.Outcome) -> None:
        with self._lock:
            self._running.pop()
            left = self._queues.pop()
            for waiting in left.take(len(left)):  # they were not to run at once
                self._put(waiting, self._queues[-1])
            if entry.first < messages.WARM_UP_IDS:
                self._queue_of.pop(entry.first, None)
                self._complete += 1
                self._finish(entry, outcome)
        if entry.first < messages.WARM_UP_IDS:
            self._tell()
        else:
            del self._guests[1:]  # those are to find, too, what it has left
            self._tell_of_warm_up(outcome, entry.attempts)

    def _finish(self, entry: Entry, outcome: messages.Outcome) -> None:
        status, seconds, detail = outcome.status, outcome.seconds, outcome.detail
        self._ledger.finish(entry.first, status, seconds, entry.attempts, detail, self._instance)

    def _guest(self, depth: int) -> Guest:
        while len(self._guests) <= depth:
            assert self._settings is not None
            self._guests.append(Guest(self._settings, self._objects, *self._guests[:1]))
        return self._guests[depth]

    def _answer(self, item: messages.ToDispatcher) -> None:
        match item:
            case messages.ClientHello():
                self._settings = item.settings
                self._listener(messages.DispatcherHello(messages.PROTOCOL, self.pid, URL))
            case messages.PutObject():
                self._objects.hold(_hold_of(item))
            case messages.Inspect():
                self._listener(self._inspection(item.request))

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _queue(self, batch: messages.Batch) -> None:
        now = time.monotonic()
        with self._lock:
            for task_id in batch.ids:  # one by one, for that is how they run
                entry = self._ledger.open(batch.part(task_id, task_id + 1), now)
                self._put(entry, self._my_queue())

    def _put(self, entry: Entry, queue: TaskQueue) -> None:
        queue.append(entry)
        self._queue_of[entry.first] = queue

    def _my_queue(self) -> TaskQueue:
        return self._queues[-1 if self._thread == threading.get_ident() else 0]

    def _cancel(self, ids: list[int]) -> None:
        with self._lock:
            for entry in filter(None, map(self._ledger.get, ids)):
                if entry.place is Place.QUEUED:
                    self._queue_of.pop(entry.first).drop(entry)
                    self._ledger.finish_unstarted(entry.first, entry)
                entry.cancelled = True
            running = [r.interrupts for r in self._running if r.entry.cancelled]
        self._tell()
        for interrupts in running:
            interrupts.cancel()

    def _warm_up(self, order: messages.WarmUp) -> None:
        self._blobs.update((blob.digest, blob.payload) for blob in order.blobs)
        with self._lock:
            ids = order.task.ids
            self._warm_ups.append(Entry(order.task, ids.start, ids.stop))

    def _end_warm_ups(self, ids: list[int]) -> None:
        with self._lock:
            self._warm_ups = deque(e for e in self._warm_ups if e.first not in ids)
            running = [r.interrupts for r in self._running if r.entry.first in ids]
        for interrupts in running:
            interrupts.cancel()

    def _tell_of_warm_up(self, outcome: messages.Outcome, attempts: int) -> None:
        assert self._instance is not None
        ran = messages.FinishedTask(
            outcome.id, outcome.status, outcome.seconds, attempts, outcome.detail
        )
        self._listener(messages.WarmUpRan(self._instance, ran))

    def _drop_blobs(self, digests: list[bytes]) -> None:
        for digest in digests:
            self._blobs.pop(digest, None)
        self._objects.forget(digests)
        for guest in self._guests:
            guest.forget(digests)

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            running = [r.interrupts for r in self._running]
        if not running:
            for guest in self._guests:
                guest.close()
        elif not self.is_inside():
            for interrupts in running:
                interrupts.cancel()

    def _inspection(self, request: int) -> messages.Inspection:
        with self._lock:
            workers = []
            if self._instance is not None:
                ids = [r.entry.first for r in self._running]
                workers.append(
                    messages.InspectedWorker(
                        self._instance, _WORKER, True, self._given, self._complete, ids
                    )
                )
            queued = sum(map(len, self._queues))
            return messages.Inspection(request, queued, len(self._running), workers)

    def _tell(self) -> None:
        with self._lock:
            news = self._ledger.news(self._blobs)
        for message in news:
            self._listener(message)


def _hold_of(put: messages.PutObject) -> messages.HoldObject:
    order = messages.decode_to_task_process(put.order)
    assert isinstance(order, messages.HoldObject)
    return order


def _judge(
    task: messages.Batch,
    done: messages.TaskDone,
    interrupts: GuestInterrupts,
    raised: BaseException | None,
) -> messages.Outcome:
    """The outcome of a task that may have been stopped."""
    outcome = done.outcome
    limit = task.seconds_timeout
    if interrupts.cancelled:
        return stopped(outcome, Status.CANCEL, CANCELLED)
    if raised is not None:
        text = "the task around it was interrupted"
        if not isinstance(raised, TaskInterrupt):
            text = f"interrupted in the process that ran it ({type(raised).__name__})"
        return stopped(outcome, Status.CANCEL, text)
    # Where a signal could not interrupt it, it ended by itself, but too late.
    too_late = limit is not None and outcome.seconds is not None and outcome.seconds > limit
    if limit is not None and (interrupts.overdue or too_late):
        return stopped(outcome, Status.TIMEOUT, overdue_text(limit))
    return outcome


def _debugger_quit(done: messages.TaskDone) -> BaseException | None:
    """What ``pdb`` raises in the task for a user who wants to stop, to be raised on."""
    bdb = sys.modules.get("bdb")
    if bdb is None or done.outcome.status == Status.SUCCESS:
        return None
    error = messages.decode_detail(done.outcome.detail).error
    return bdb.BdbQuit() if error == bdb.BdbQuit.__name__ else None


def _defect(task: messages.Batch, error: BaseException) -> messages.Outcome:
    text = f"crew could not run it to its end: {type(error).__name__}: {error}"
    detail = messages.OutcomeDetail(error=text, pid=os.getpid())
    return messages.Outcome(task.first, Status.ERROR, None, codec.encode(detail))
