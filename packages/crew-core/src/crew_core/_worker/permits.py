"""Which tasks have started is decided by one byte each: the permits between supervisor and task.

A worker is sent tasks ahead of time, so that its task process never waits for the next one. But a
task that was only sent can still be taken back (a cancel, a worker that leaves, an idle worker
elsewhere). Who decides whether a task has started? The kernel: for each task that was sent, one
byte, its permit, lies in a pipe. The task process reads one permit before it starts a task. The
supervisor keeps the reading end open too: a permit that it reads itself can start nothing. Every
byte goes to exactly one reader, so nothing runs twice, nothing is lost and nobody has to be asked.
::

    supervisor                                                           task process
      Feed ── inbox:   [Run 7] [Run 8] [Run 9] [Skip 9] ──────────────────► Intake
           ── permits:   ●       ●       ●  ───────────────────────────────►  1. take one permit
                                         ▲                                    2. read the inbox
                                         └── read back by the supervisor      3. run the oldest task

Tasks start in the order in which they were sent, so whoever takes ``k`` permits back knows which
tasks they stood for: the last ``k``. Three rules make it right:

1.  The frames of a task are in the inbox before its permit is. Hence a permit always finds a task.
    (An idle task process reads its inbox while it waits for a permit, so large frames get through.)
2.  ``SkipTasks`` is in the inbox before any later permit is. Hence a permit never starts a task
    that was taken back: with it in hand, the task process reads all of its inbox first. It can
    spare itself that when the permit says that nothing was taken back: its value counts how often
    that was done, modulo 256. (So often it cannot be done within ``_SPARE_SECONDS``.)
3.  Both are kept by granting permits only when no frame waits for room in the inbox (``flush``).

Taking back some of several tasks takes back all permits that lie there, skips those tasks, and
grants the rest of the permits anew.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from itertools import count, repeat
from time import perf_counter

from crew_core._wire.codec import encode
from crew_core._wire.messages import (
    ForgetBlobs,
    HoldBlob,
    HoldObject,
    RunTasks,
    SkipTasks,
    TaskProcessSettings,
    decode_to_task_process,
)
from crew_core._worker.framing import FrameReader, FrameWriter, wait_readable
from crew_core._worker.task import OneTask

_SPARE_SECONDS = 0.001


class Feed:
    """The supervisor's end: sends tasks, and takes back those that have not started. Never waits.

    Args:
        inbox: the writing end of the inbox.
        permits_in: the writing end of the permits.
        permits_out: the reading end of the permits, which the task process has too.
    """

    def __init__(self, inbox: int, permits_in: int, permits_out: int) -> None:
        for fd in (permits_in, permits_out):
            os.set_blocking(fd, False)
        self._writer = FrameWriter(inbox)
        self._permits_in = permits_in
        self._permits_out = permits_out
        self._open = {inbox, permits_in, permits_out}
        self._outstanding: dict[int, None] = {}  # sent and not done, in order
        self._owed = 0  # the last so many of them have no permit yet
        self._skips = 0  # how often tasks were taken back, modulo 256

    @property
    def outstanding(self) -> tuple[int, ...]:
        """Ids of the tasks that were sent and are neither done nor taken back, oldest first."""
        return tuple(self._outstanding)

    @property
    def wants_write(self) -> bool:
        """True while something waits: call ``flush`` when ``fileno()`` can be written."""
        return self._writer.wants_write

    @property
    def wants_flush(self) -> bool:
        """True while anything waits, permits included."""
        return self._owed > 0 or self._writer.wants_write

    @property
    def pending_bytes(self) -> int:
        """How much waits for room in the inbox."""
        return self._writer.pending_bytes

    def fileno(self) -> int:
        """The inbox's descriptor, for ``select``."""
        return self._writer.fileno()

    def put(self, message: TaskProcessSettings | HoldBlob | HoldObject | ForgetBlobs) -> None:
        """Queue a message that needs no permit. ``flush`` sends it."""
        self._writer.put(encode(message))

    def send(self, tasks: RunTasks) -> None:
        """Queue tasks and the permits to start them. ``flush`` sends them."""
        self._writer.put(encode(tasks))
        count = len(tasks.bodies)
        self._outstanding.update(dict.fromkeys(range(tasks.first, tasks.first + count)))
        self._owed += count

    def flush(self) -> bool:
        """Write what can be written now. True when nothing is left.

        Raises:
            OSError: the task process is gone.
        """
        if not self._writer.flush():
            return False
        while self._owed:
            try:
                permits = bytes((self._skips,)) * min(self._owed, 4096)
                self._owed -= os.write(self._permits_in, permits)
            except BlockingIOError:  # thousands of permits lie there; more follow with the next
                break
        return True

    def take_back(self, ids: Collection[int] | None = None) -> list[int]:
        """Take back those of these tasks that have not started; None means all.

        Returns:
            The ids that are the supervisor's again, in the order in which they were sent. The
            others of ``ids`` have started, or are done, and give a ``TaskDone``.
        """
        not_started = self._not_started()
        taken = [task_id for task_id in not_started if ids is None or task_id in ids]
        for task_id in taken:
            del self._outstanding[task_id]
        self._owed = len(not_started) - len(taken)
        if taken:
            self._writer.put(encode(SkipTasks(taken)))
            self._skips = (self._skips + 1) % 256
        with suppress(OSError):  # it is gone: what was taken back is ours all the same
            self.flush()
        return taken

    def not_started(self) -> list[int]:
        """The tasks that had not started just now, oldest first. They still may."""
        not_started = self._not_started()
        self._owed = len(not_started)
        with suppress(OSError):  # it is gone, and will not start them
            self.flush()
        return not_started

    def abandon(self) -> list[int]:
        """The task process is gone: the ids of the tasks that it never started, oldest first."""
        not_started = self._not_started()
        self._outstanding.clear()
        self._owed = 0
        return not_started

    def done(self, ids: Iterable[int]) -> None:
        """The ``TaskDone`` of these tasks came."""
        drop = self._outstanding.pop
        for task_id in ids:
            drop(task_id, None)

    def close_inbox(self) -> None:
        """Say that nothing more will come. The task process leaves once it is idle."""
        for fd in (self._writer.fileno(), self._permits_in):
            self._close(fd)

    def close(self) -> None:
        """Close all three descriptors. The task process leaves once it is idle."""
        self.close_inbox()
        self._close(self._permits_out)

    def _close(self, fd: int) -> None:
        if fd in self._open:
            self._open.remove(fd)
            os.close(fd)

    def _not_started(self) -> list[int]:
        """The tasks that cannot start any more, now that their permits are here."""
        count = self._owed + self._read_permits()
        return list(self._outstanding)[len(self._outstanding) - count :]

    def _read_permits(self) -> int:
        granted = len(self._outstanding) - self._owed
        try:
            return len(os.read(self._permits_out, granted)) if granted else 0
        except BlockingIOError:
            return 0


class Intake:
    """The task process's end: waits for a permit, then gives out the task that it stands for.

    Args:
        inbox: the reading end of the inbox.
        permits: the reading end of the permits, which the supervisor has too.
        hold: called with the digest and the payload of a command to keep.
        hold_object: called with the order to keep an object.
        forget: called with the digests of commands and objects that no task will need.
    """

    def __init__(
        self,
        inbox: int,
        permits: int,
        hold: Callable[[bytes, bytes], None],
        hold_object: Callable[[HoldObject], None],
        forget: Callable[[list[bytes]], None],
    ) -> None:
        os.set_blocking(permits, False)  # the supervisor shares this end and must never wait
        self._reader = FrameReader(inbox)
        self._permits = permits
        self._hold = hold
        self._hold_object = hold_object
        self._forget = forget
        self._waiting: deque[OneTask] = deque()
        self._settings: TaskProcessSettings | None = None
        self._skips = 0  # how often we were told to skip tasks, modulo 256
        self._taken_at = 0.0  # when the last permit was

    def wait_for_settings(self) -> TaskProcessSettings | None:
        """The supervisor's first message, or None when it is gone."""
        while self._settings is None and not self._reader.at_end:
            self._apply(self._reader.read_some())
        return self._settings

    def next_task(self) -> OneTask | None:
        """Wait for the next task that may start. None when there will be none: leave."""
        try:
            permit = os.read(self._permits, 1)
        except BlockingIOError:
            permit = self._wait_for_permit()
        if not permit:
            return None
        now = perf_counter()
        late = now - self._taken_at > _SPARE_SECONDS
        self._taken_at = now
        if late or permit[0] != self._skips or not self._waiting:
            self._apply(self._reader.read_available())
            while not self._waiting and not self._reader.at_end:
                self._apply(self._reader.read_some())
        return self._waiting.popleft() if self._waiting else None

    def _wait_for_permit(self) -> bytes:
        """The next permit. Empty when none will come."""
        while True:
            # A frame may be larger than the pipe: then its permit comes only after it was read.
            wait_readable(self._permits, self._reader.fileno())
            self._apply(self._reader.read_available())
            if self._reader.at_end:
                return b""
            with suppress(BlockingIOError):
                return os.read(self._permits, 1)

    def _apply(self, frames: list[bytes]) -> None:
        for frame in frames:
            message = decode_to_task_process(frame)
            if isinstance(message, RunTasks):
                ids, digests = count(message.first), repeat(message.digest)
                self._waiting.extend(map(OneTask, ids, digests, message.bodies))
            elif isinstance(message, SkipTasks):
                self._skips = (self._skips + 1) % 256
                skipped = frozenset(message.ids)
                self._waiting = deque(t for t in self._waiting if t.id not in skipped)
            elif isinstance(message, HoldBlob):
                self._hold(message.digest, message.payload)
            elif isinstance(message, HoldObject):
                self._hold_object(message)
            elif isinstance(message, ForgetBlobs):
                self._forget(message.digests)
            else:
                self._settings = message
