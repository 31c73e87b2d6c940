"""Runs the tasks a worker was given: feeds the task process, stops tasks, replaces a dead process.

It holds tasks in two places: ``waiting`` here, and sent ahead to the task process, from where those
that have not started can be taken back (see ``permits``). A task with a time limit is sent alone,
and its time begins when it was last seen not to have started.

Warm-ups stand in the same line as the tasks. They are kept, for each new task process runs them
again, ahead of all else. One that ended its process is run again only when the dispatcher says so,
and until then nothing is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from itertools import groupby

import msgspec

from crew_core._model.states import Status
from crew_core._wire import codec, messages
from crew_core._worker.out_of_memory import CAUSE, OutOfMemory
from crew_core._worker.process import TaskProcess
from crew_core._worker.stops import CANCELLED, overdue_text, stopped

GRACE_SECONDS = 1.0
"""A task that was interrupted and goes on for longer is killed with its process."""

_LOOK_SECONDS = 0.05
"""Between two looks whether a task with a time limit has started: so much too early it may end."""

_AHEAD_BYTES = 8 << 20
_START_TRIES = 3
_KILLED = "signal 9"


class _Stop(msgspec.Struct):
    """A running task that is being stopped, and what its record will say."""

    task_id: int
    status: Status
    error: str
    kill_at: float


class _Timed(msgspec.Struct):
    """The task with a time limit that was sent; its times are infinite until it can begin.

    Attributes:
        look_at: when to see whether it has started; infinity once it has.
        end_at: when its time is over.
    """

    task_id: int
    seconds: float
    look_at: float = float("inf")
    end_at: float = float("inf")


class Runner:
    """The tasks of one worker and the process that runs them.

    Args:
        start_process: starts a task process and sends it its settings.
        note: writes a line to the worker's log.
        memory: knows when memory has run out.
    """

    def __init__(
        self,
        start_process: Callable[[], TaskProcess],
        note: Callable[[str], None],
        memory: OutOfMemory | None = None,
    ) -> None:
        self._start_process = start_process
        self._note = note
        self._memory = memory or OutOfMemory()
        self.process = start_process()
        self.broken: str | None = None  # why no task process can be had
        self._failed_starts = 0
        self._waiting: deque[messages.Batch] = deque()
        self._sent: dict[int, messages.Batch] = {}  # what each sent task is part of
        self._blobs: dict[bytes, bytes] = {}
        self._objects: dict[bytes, messages.HoldObject] = {}
        self._timed: _Timed | None = None
        self._stop: _Stop | None = None
        self._ending: str | None = None  # the cause to report when we kill the process ourselves
        self._outcomes: list[messages.Outcome | messages.TaskDone] = []
        self._ended = self._heard = 0  # tasks and bytes, since the last call of on_output
        self._warm_ups: dict[int, messages.Batch] = {}
        self._undecided: set[int] = set()  # warm-ups that ended their process
        self._warm_news: list[messages.Warmed | messages.Warming] = []

    # ── Tasks in ───────────────────────────────────────────────────────────────────────────────

    def add(self, work: messages.Work, now: float) -> None:
        """Take on tasks."""
        for blob in work.blobs:
            self._blobs[blob.digest] = blob.payload
        self._waiting.extend(work.batches)
        self._feed(now)

    def add_warm_ups(self, order: messages.WarmUps, now: float) -> None:
        """Run these behind what is here, unless they only wait for leave to run again."""
        for blob in order.blobs:
            self._blobs[blob.digest] = blob.payload
        for task in order.tasks:
            if task.first in self._undecided:
                self._undecided.remove(task.first)
            else:
                self._warm_ups[task.first] = task
                self._waiting.append(task)
        self._feed(now)

    def end_warm_ups(self, ids: Collection[int], now: float) -> None:
        """Run these no more, and stop them for certain."""
        for warm_up in ids:
            self._warm_ups.pop(warm_up, None)
            self._undecided.discard(warm_up)
        self.cancel(ids, now)

    def hold_object(self, order: messages.HoldObject) -> None:
        """Keep an object for the tasks that follow, and for new task processes."""
        self._objects[order.digest] = order

    def forget_blobs(self, digests: list[bytes]) -> None:
        """Commands and objects that no task will need, unless they are sent again."""
        for digest in digests:
            self._blobs.pop(digest, None)
            self._objects.pop(digest, None)
        self.process.forget(digests)
        self._flush()

    # ── Tasks back ─────────────────────────────────────────────────────────────────────────────

    def give_back(self, ids: Collection[int] | None = None) -> list[int]:
        """Give up those of these tasks that have not started; their ids.

        None means all: the worker is to leave, and needs no warm-up either.
        """
        if ids is None:
            self._warm_ups.clear()
            self._undecided.clear()
        wanted = None if ids is None else frozenset(ids)
        taken = [i for batch in self._take_back(wanted) for i in batch.ids]
        kept: list[messages.Batch] = []
        for batch in self._waiting:
            taken += [i for i in batch.ids if wanted is None or i in wanted]
            kept += _parts([i for i in batch.ids if wanted is not None and i not in wanted], batch)
        self._waiting = deque(kept)
        return [i for i in taken if wanted is not None or not _is_warm_up(i)]

    def cancel(self, ids: Collection[int], now: float) -> None:
        """Stop these tasks for certain. Each gives an outcome."""
        for task_id in self.give_back(ids):
            detail = messages.OutcomeDetail(error="cancelled before it started")
            self._report(task_id, Status.CANCEL, None, detail)
        running = self._find_running(now)
        if running is not None and running in ids:
            self._stop_running(_Stop(running, Status.CANCEL, CANCELLED, now + GRACE_SECONDS))
        self._feed(now)

    def kill_running(self, cause: str) -> None:
        """End the task process now; its task's outcome is a crash with this cause."""
        self._ending = cause
        self.process.kill()

    def take_warm_news(self) -> list[messages.Warmed | messages.Warming]:
        """What became of warm-ups since the last call."""
        news, self._warm_news = self._warm_news, []
        return news

    def take_outcomes(self) -> list[messages.Outcome | messages.TaskDone]:
        """Outcomes since the last call."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    # ── Questions ──────────────────────────────────────────────────────────────────────────────

    @property
    def idle(self) -> bool:
        """True when it holds no task."""
        return not self._sent and not self._waiting

    @property
    def ahead(self) -> int:
        """How many tasks it holds."""
        return len(self._sent) + sum(len(batch.names) for batch in self._waiting)

    def next_time(self) -> float:
        """When ``on_time`` has something to do; infinity for never."""
        if self._stop is not None:
            return self._stop.kill_at
        return float("inf") if self._timed is None else min(self._timed.look_at, self._timed.end_at)

    # ── Events ─────────────────────────────────────────────────────────────────────────────────

    def on_output(self, now: float) -> tuple[int, int]:
        """Read what the task process said. Tasks that ended since the last call, and bytes."""
        self._read(now)
        ended, self._ended = self._ended, 0
        heard, self._heard = self._heard, 0
        if ended and (self._waiting or self.process.feed.wants_flush):
            self._feed(now)
        return ended, heard

    def on_room(self) -> None:
        """The task process' inbox has room."""
        self._flush()

    def on_time(self, now: float) -> None:
        """Time limits and the end of patience."""
        if self._stop is not None:
            if now >= self._stop.kill_at:
                self._stop.kill_at = float("inf")
                self._note(f"task process {self.process.pid} ignores the interrupt and is killed")
                self.process.kill()
        elif self._timed is not None:
            self._look_at_time(self._timed, now)

    def on_exit(self, status: int, now: float) -> None:
        """The task process died. Settle what it ran, and start another."""
        self.on_output(now)  # what it managed to say still counts
        cause = self._cause(self.process.note_exit(status))
        not_started = self.process.feed.abandon()
        self._waiting.extendleft(reversed(self._unsend(not_started)))
        started = list(self._sent)
        name = self._name(started[0]) if started else None
        self._sent.clear()
        self._timed = None
        self._note_death(cause, name)
        for task_id in started:
            self._settle_dead(task_id, cause)
        self._rewarm(started)
        self._stop = self._ending = None
        self._replace(cause, now)

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _read(self, now: float) -> None:
        was_ready = self.process.ready_at is not None
        was_garbled = self.process.garbled
        done = self.process.read(now)
        if self.process.garbled and not was_garbled:
            self._note(f"task process {self.process.pid} is killed: it wrote to crew's own pipe")
        if not was_ready and self.process.ready_at is not None:
            self._failed_starts = 0
            self._start_clock(now)
        ids = [message.id for message in done]
        self.process.feed.done(ids)
        if self._timed is None and self._stop is None and not _is_warm_up(max(ids, default=0)):
            pop = self._sent.pop
            self._outcomes += [message for message in done if pop(message.id, None) is not None]
        else:
            for message in done:
                self._finish(message)
        self._ended += len(done)
        self._heard += self.process.heard

    def _find_running(self, now: float) -> int | None:
        """The task that has started and not ended, if any; the others are taken back.

        First they are, then the process is heard: it says that a task has ended before it starts
        the next. The other way round, the next could have started in between.
        """
        if self._sent:
            self._waiting.extendleft(reversed(self._take_back(None)))
            self._read(now)
        return next(iter(self._sent), None)

    def _feed(self, now: float) -> None:
        feed = self.process.feed
        while self._may_feed():
            seconds = self._waiting[0].seconds_timeout
            if feed.pending_bytes > _AHEAD_BYTES or (seconds is not None and self._sent):
                break
            batch = self._waiting.popleft()
            if seconds is not None and len(batch.names) > 1:
                self._waiting.appendleft(batch.part(batch.first + 1, batch.ids.stop))
                batch = batch.part(batch.first, batch.first + 1)
            self._sent.update(dict.fromkeys(batch.ids, batch))
            self.process.run(batch, self._blobs, self._objects)
            if seconds is not None:
                self._timed = _Timed(batch.first, seconds)
                self._start_clock(now)
        self._flush()

    def _may_feed(self) -> bool:
        return (
            bool(self._waiting)
            and self._timed is None
            and self._stop is None
            and not self._undecided
        )

    def _start_clock(self, now: float) -> None:
        """Let the time limit run from now, or from when the process can begin."""
        if self._timed is not None and self.process.ready_at is not None:
            self._timed.end_at = now + self._timed.seconds
            self._timed.look_at = min(now + _LOOK_SECONDS, self._timed.end_at)

    def _look_at_time(self, timed: _Timed, now: float) -> None:
        if now >= timed.look_at:
            if timed.task_id in self.process.feed.not_started():
                self._start_clock(now)
                return
            timed.look_at = float("inf")
        if now >= timed.end_at:
            error = overdue_text(timed.seconds)
            self._stop_running(_Stop(timed.task_id, Status.TIMEOUT, error, now + GRACE_SECONDS))

    def _flush(self) -> None:
        try:
            self.process.feed.flush()
        except OSError:
            return  # it died; SIGCHLD tells

    def _take_back(self, ids: Collection[int] | None) -> list[messages.Batch]:
        try:
            taken = self.process.feed.take_back(ids)
        except OSError:
            return []  # it died; on_exit sorts out what had started
        if self._timed is not None and self._timed.task_id in taken:
            self._timed = None
        return self._unsend(taken)

    def _unsend(self, ids: Sequence[int]) -> list[messages.Batch]:
        """Tasks that were sent and are here again, in this order."""
        batches = [self._sent.pop(task_id) for task_id in ids]
        parts: list[messages.Batch] = []
        for _, run in groupby(zip(ids, batches, strict=True), key=lambda pair: id(pair[1])):
            pairs = list(run)
            parts += _parts([task_id for task_id, _ in pairs], pairs[0][1])
        return parts

    def _name(self, task_id: int) -> str:
        batch = self._sent[task_id]
        return batch.names[task_id - batch.first]

    def _stop_running(self, stop: _Stop) -> None:
        """Interrupt the running task. Nothing else that was sent may start meanwhile."""
        if self._stop is None:
            self._stop = stop
            self.process.interrupt()

    def _finish(self, done: messages.TaskDone) -> None:
        outcome = done.outcome
        if self._sent.pop(outcome.id, None) is None:
            return
        if self._timed is not None and self._timed.task_id == outcome.id:
            self._timed = None
        stop = self._stop if self._stop is not None and self._stop.task_id == outcome.id else None
        if stop is None:
            self._tell(outcome)
            return
        self._stop = None
        if done.interrupted:
            self._tell(stopped(outcome, stop.status, stop.error))
        else:  # it ended by itself before the interrupt arrived
            self._tell(outcome)

    def _settle_dead(self, task_id: int, cause: str) -> None:
        pid = self.process.pid
        if self._stop is not None and self._stop.task_id == task_id:
            detail = messages.OutcomeDetail(error=self._stop.error, pid=pid)
            self._report(task_id, self._stop.status, None, detail, died=True)
        else:
            detail = messages.OutcomeDetail(pid=pid, cause=cause)
            self._report(task_id, Status.CRASH, None, detail, died=True)

    def _report(
        self,
        task_id: int,
        status: Status,
        seconds: float | None,
        detail: messages.OutcomeDetail,
        *,
        died: bool = False,
    ) -> None:
        outcome = messages.Outcome(task_id, status, seconds, codec.encode(detail))
        self._tell(outcome, died=died)

    def _tell(self, outcome: messages.Outcome, *, died: bool = False) -> None:
        if _is_warm_up(outcome.id):
            self._warm_news.append(messages.Warmed(outcome, died))
        else:
            self._outcomes.append(outcome)

    def _rewarm(self, died_of: Collection[int]) -> None:
        """Let the new process run all warm-ups first."""
        tasks = [batch for batch in self._waiting if not _is_warm_up(batch.first)]
        self._waiting = deque([*self._warm_ups.values(), *tasks])
        self._undecided.update(self._warm_ups.keys() & set(died_of))
        if self._warm_ups:
            self._warm_news.append(messages.Warming(list(self._warm_ups)))

    def _cause(self, ended: str) -> str:
        """Why the task process ended, if we know more than how."""
        if self._ending is not None:
            return self._ending
        return CAUSE if ended == _KILLED and self._memory.struck() else ended

    def _note_death(self, cause: str, name: str | None) -> None:
        while_running = f" while it ran task {name!r}" if name is not None else ""
        self._note(f"task process {self.process.pid} ended ({cause}){while_running}")

    def _replace(self, cause: str, now: float) -> None:
        if self.process.ready_at is None:
            self._failed_starts += 1
        self.process.close()
        if self._failed_starts >= _START_TRIES:
            self.broken = f"cannot start its task process ({cause})"
            return
        try:
            self.process = self._start_process()
        except OSError as error:  # no descriptors, no memory, no processes: others may have some
            self.broken = f"cannot start its task process ({error})"
            return
        self._feed(now)


def _parts(ids: Sequence[int], batch: messages.Batch) -> list[messages.Batch]:
    """Some tasks of a batch, in order: a part for each run of consecutive ones."""
    runs: list[list[int]] = []
    for task_id in ids:
        if runs and runs[-1][-1] == task_id - 1:
            runs[-1].append(task_id)
        else:
            runs.append([task_id])
    return [batch.part(run[0], run[-1] + 1) for run in runs]


def _is_warm_up(task_id: int) -> bool:
    return task_id >= messages.WARM_UP_IDS
