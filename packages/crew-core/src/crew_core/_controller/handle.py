"""The handle of one task: a future that also knows the task's record."""

from __future__ import annotations

import concurrent.futures
import logging
import sys
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, TypeVar

from crew_core._controller.values import UNREAD, read_value
from crew_core._model.errors import CrewError, TaskError
from crew_core._model.states import Status
from crew_core._wire import messages

if TYPE_CHECKING:
    from crew_core._controller.book import TaskBook
    from crew_core._controller.parcels import Lease, Parcel
    from crew_core._controller.references import Reference
    from crew_core._model.record import Record

T = TypeVar("T")

log = logging.getLogger("crew")

if sys.version_info >= (3, 11):
    _NotFinishedError = TimeoutError
else:

    class _NotFinishedError(concurrent.futures.TimeoutError, TimeoutError):
        """What ``result(timeout)`` raises: these were two classes before Python 3.11."""


class _Visitors:
    """What the functions of ``concurrent.futures`` need of a handle that they wait for."""

    def __init__(self) -> None:
        self.condition = threading.Condition()
        self.waiters: list[Any] = []


class Task(Future[T]):
    """A task that was pushed or submitted: what ``push``, ``submit`` and ``walk`` return.

    It has the interface of ``concurrent.futures.Future`` and can be awaited. ``result()`` returns
    the task's value or raises what went wrong; taking it that way does not pop the record.

    All handles of a controller share one lock and one condition, which keeps a queued task small.

    Example::

        >>> task: crew.Task[int] = controller.push(len, ("four",))
        >>> task.result()
        4
    """

    # A million of them may be queued: what each has is in slots, and what most never have is here.
    __slots__ = (
        "_book",
        "_finished",
        "_instance",
        "_name",
        "_value",
        "digest",
        "ended_as",
        "executor",
        "id",
        "pushed_at",
        "single",
    )

    references: tuple[Reference[Any], ...] = ()
    """What it uses that was put: kept alive until it is finished."""

    command: str | None = None
    seed: int | None = None
    algorithm: str | None = None

    stream: tuple[int, int] | None = None
    """Of its random numbers; None: its controller's."""

    lent: Task[T] | None = None
    """The task of the backup that stands for this one."""

    borrowed = False
    """It stands for a task of another controller."""

    cancelling = False
    """Noted only where a backup might run it."""

    lease: Lease | None = None
    """The memory that its large arguments are in: kept until it is finished."""

    parcel: Parcel | None = None
    """The memory that its large value is in."""

    _failure: CrewError | None = None
    _record: Record | None = None
    _visitors: _Visitors | None = None
    _extras: tuple[list[Callable[[Any], object]], list[Callable[[Any], object]]] | None = None

    # Future's own __init__ is not called: it makes a condition for each future. What its methods
    # and the functions of concurrent.futures touch is provided here instead.
    def __init__(
        self, book: TaskBook, task_id: int, name: str, digest: bytes, *, single: bool
    ) -> None:
        self._book = book
        self.id = task_id
        self._name = name
        self.digest = digest
        self.single = single  # consumed through this handle alone: never popped
        self.pushed_at = time.time()
        self.executor: object = None  # it was submitted through
        self.ended_as = 0  # its place among all tasks of all controllers that have ended
        self._finished: messages.FinishedTask | None = None
        self._instance: str | None = None
        self._value: Any = UNREAD

    def __repr__(self) -> str:
        # Not ``status``: a look at a handle must not unpickle its result.
        told = "unfinished" if self._finished is None else Status(self._finished.status).word
        return f"<crew task {self._name!r}: {told}>"

    # ── What crew adds ─────────────────────────────────────────────────────────────────────────

    @property
    def name(self) -> str:
        """The task's name.

        Example::

            >>> controller.push("1 + 1", name="two").name
            'two'
        """
        return self._name

    @property
    def status(self) -> str | None:
        """How it ended: "success", "error", "crash", "cancel", "timeout"; None while unfinished.

        Example::

            >>> task = controller.push("1 / 0")
            >>> controller.wait()
            True
            >>> task.status
            'error'
        """
        # The record's: a result that cannot be unpickled here is an error, and it alone finds out.
        record = self.record
        return None if record is None else record.status

    @property
    def record(self) -> Record | None:
        """The task's record, or None while it is unfinished. Does not block, does not pop.

        Example::

            >>> task = controller.push("1 / 0")
            >>> controller.wait()
            True
            >>> task.record.error
            'ZeroDivisionError: division by zero'
        """
        if self.lent is not None and self._finished is not None:
            return self.lent.record
        if self._record is None and self._finished is not None:
            record = self._book.make_record(self, self._finished, self._instance)
            self._record = self._record or record  # another thread may have been quicker
        return self._record

    def __await__(self) -> Generator[Any, None, T]:
        """Wait without blocking the event loop; cancelling the await cancels the task."""
        import asyncio  # for those who have it anyway: it takes long to import

        return asyncio.wrap_future(self).__await__()

    # ── The future ─────────────────────────────────────────────────────────────────────────────

    def result(self, timeout: float | None = None) -> T:
        """Wait for the end and return the task's value, or raise what went wrong.

        Args:
            timeout: seconds to wait at most; None waits for ever.

        Raises:
            TimeoutError: it is not finished by then.
            BaseException: the task's own exception, when it could be pickled.
            TaskError, WorkerCrashError, TaskTimeoutError, CancelledError: see ``Record.value``.
            DispatcherError: the dispatcher died before the task ended.
            LaunchError: no worker can be launched that would run it (see ``launcher.errors``).

        Example::

            >>> controller.push("1 + 1").result(timeout=60)
            2
        """
        self._wait(timeout)
        if self._value is UNREAD:
            self._read()
        if self._value is not UNREAD:
            return self._value  # type: ignore[no-any-return]  # what the task returned
        record = self._settled_record()
        if record.status == "success":
            return record.result  # type: ignore[no-any-return]  # what the task returned
        raise record.failure()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the end and return what ``result`` would raise, or None.

        Raises:
            TimeoutError: it is not finished by then.
            CancelledError: it was cancelled.

        Example::

            >>> controller.push("1 / 0").exception()
            ZeroDivisionError('division by zero')
        """
        self._wait(timeout)
        if self._failure is not None:
            return self._failure
        record = self._settled_record()
        if record.status == "success":
            return None
        failure = record.failure()
        if isinstance(failure, CancelledError):
            raise failure
        return failure

    def cancel(self) -> bool:
        """Ask for the task to be stopped, running or not. False when it is finished already.

        Does not wait: the record follows, with status "cancel".

        Example::

            >>> task = controller.push("import time; time.sleep(600)")
            >>> task.cancel()
            True
            >>> controller.wait()
            True
            >>> task.cancelled()
            True
        """
        if self.done():
            return False
        self._book.cancel([self.id])
        return True

    def cancelled(self) -> bool:
        """True when it ended by being cancelled.

        Example::

            >>> task = controller.push("1 + 1")
            >>> task.result(), task.cancelled()
            (2, False)
        """
        return self._finished is not None and self._finished.status == Status.CANCEL

    def running(self) -> bool:
        """Always False: the client is not told when a worker starts a task.

        Example::

            >>> controller.push("1 + 1").running()
            False
        """
        return False

    def done(self) -> bool:
        """True when the task is finished.

        Example::

            >>> task = controller.push("1 + 1")
            >>> task.result(), task.done()
            (2, True)
        """
        return self._finished is not None or self._failure is not None

    def add_done_callback(self, fn: Callable[[Future[T]], object]) -> None:
        """Call ``fn(handle)`` once the task is finished, on a thread of crew's, or now if it is.

        Example::

            >>> ended = []
            >>> task = controller.push("1 + 1", name="two")
            >>> task.add_done_callback(lambda task: ended.append(task.name))
            >>> crew.retry(lambda: ended)
            ['two']
        """
        with self._book.changed:
            if not self.done():
                self._more()[1].append(fn)
                return
        self._call(fn)

    # ── For crew's own ─────────────────────────────────────────────────────────────────────────

    def _take_after(self, origin: Task[Any]) -> None:
        """Stand for a task of another controller, which this one backs up."""
        self.borrowed = True
        self.pushed_at, self.command = origin.pushed_at, origin.command
        self.seed, self.algorithm, self.stream = origin.seed, origin.algorithm, origin.stream

    def _trouble(self) -> CrewError | None:
        """What keeps it from ever ending, where it is."""
        return self._book.trouble() if self.lent is None else self.lent._trouble()

    def _watch(self, watcher: Callable[[Task[Any]], object]) -> None:
        """Call it under the book's lock, once the task is finished; it is not. Under the lock."""
        self._more()[0].append(watcher)

    # ── Called by the book, which holds the lock ───────────────────────────────────────────────

    def _settle(self, finished: messages.FinishedTask, instance: str | None) -> None:
        """The task ended."""
        self._instance, self._finished = instance, finished  # in this order: others look on
        self._let_go()
        if self._extras is not None or self._visitors is not None:
            self._notify_waiters()

    def _fail(self, failure: CrewError) -> None:
        """The task will never end: there is nobody left to run it."""
        self._failure = failure
        self._let_go()
        self._notify_waiters()

    def _abandon(self, refusal: CrewError) -> None:
        """In a forked child: it belongs to the parent, and so does who waits for it."""
        self._failure, self._extras = refusal, None
        vars(self).pop("_visitors", None)

    def _take_callbacks(self) -> list[Callable[[Any], object]]:
        """The callbacks to run with ``_run_callbacks``, once the lock is released."""
        if self._extras is None:
            return []
        callbacks = self._extras[1]
        self._extras = None
        return callbacks

    def _run_callbacks(self, callbacks: list[Callable[[Any], object]]) -> None:
        """Run callbacks; what they raise is logged, as ``concurrent.futures`` does."""
        for callback in callbacks:
            try:
                self._call(callback)
            except BaseException:  # without this thread everybody would wait for ever
                log.exception("a callback of task %r tried to end crew's thread", self._name)

    # ── What concurrent.futures' own functions touch ───────────────────────────────────────────

    # They take the locks of all futures they are given, those of others included, in the order of
    # the futures' addresses. The book's lock, which is all handles' at once, has no place in such
    # an order: two threads could lock each other out. So these functions get a lock of the handle's
    # own, made when they first ask, and taken when the book is locked, never the other way round.

    @property
    def _condition(self) -> threading.Condition:  # type: ignore[override]  # made when needed
        return self._for_visitors().condition

    @property
    def _state(self) -> str:  # type: ignore[override]  # derived here, stored there
        if self.cancelled():
            return "CANCELLED_AND_NOTIFIED"
        return "FINISHED" if self.done() else "PENDING"

    @property
    def _waiters(self) -> list[Any]:  # type: ignore[override]  # made when needed
        return self._for_visitors().waiters

    def _for_visitors(self) -> _Visitors:
        # Several threads may ask at once: all get what the first one made.
        return self._visitors or vars(self).setdefault("_visitors", _Visitors())

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _let_go(self) -> None:
        if self.references:
            self.references = ()
        if self.lease is not None:
            self.lease = None

    def _more(self) -> tuple[list[Callable[[Any], object]], list[Callable[[Any], object]]]:
        """Whom to tell under the lock, and whom afterwards."""
        if self._extras is None:
            self._extras = ([], [])
        return self._extras

    def _wait(self, timeout: float | None) -> None:
        if self.done():
            with self._book.lock:  # whoever noted that it ended has noted what goes with it, too
                return
        self._book.run_here(self.done, self.done)
        changed = self._book.changed
        with changed:
            # Infinity and its like would overflow.
            limit = None if timeout is None else min(timeout, threading.TIMEOUT_MAX)
            changed.wait_for(lambda: self.done() or self._trouble(), limit)
            if not self.done() and (trouble := self._trouble()) is not None:
                raise trouble
            if not self.done():
                raise _NotFinishedError(f"task {self._name!r} is not finished after {timeout:g} s")

    def _read(self) -> None:
        """Unpickle the value, when it is all that is to be known of the task: no record is made."""
        finished = self._finished
        if self.lent is None and self._record is None and finished is not None:
            value = read_value(finished)
            if self._value is UNREAD:  # no other thread was quicker
                self._value = value

    def _settled_record(self) -> Record:
        if self._failure is not None:
            raise self._failure
        record = self.record
        assert record is not None
        return record

    def _notify_waiters(self) -> None:
        for watcher in self._extras[0] if self._extras is not None else ():
            watcher(self)
        if self._visitors is None:
            return  # who asks from now on sees that it is finished
        with self._visitors.condition:
            for waiter in self._visitors.waiters:
                if self.cancelled():
                    waiter.add_cancelled(self)
                elif self._finished is not None and self._finished.status == Status.SUCCESS:
                    waiter.add_result(self)
                else:
                    waiter.add_exception(self)

    def _call(self, callback: Callable[[Any], object]) -> None:
        try:
            callback(self)
        except Exception:  # the callback is the user's code
            log.exception("a callback of task %r raised", self._name)


def task_error(record: Record) -> TaskError:
    """The error that ``error="stop"`` raises for a record, from the task's own exception."""
    error = TaskError(
        f"task {record.name!r} ended with status {record.status}: {record.error}", record
    )
    error.__cause__ = record.exception
    return error
