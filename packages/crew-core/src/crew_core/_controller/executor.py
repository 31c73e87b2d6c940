"""A ``concurrent.futures.Executor`` on a controller: ``controller.executor()``."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from crew_core._controller.handle import Task
from crew_core._model.errors import CrewError

if TYPE_CHECKING:
    from crew_core._controller.controller import Controller
    from crew_core._controller.session import Session

T = TypeVar("T")


class ControllerExecutor(Executor):
    """Runs calls as a controller's tasks, for code that wants an executor of the standard library.

    Several may share one controller. ``cancel`` on a future stops a running task, too.
    """

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._lock = threading.RLock()
        self._entrance = threading.Condition(self._lock)
        self._entering = 0  # calls of ``submit`` under way
        self._closed = False
        self._cancelling = False
        self._started: Session | None = None  # what runs on our account

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Task[T]:
        """Queue ``fn(*args, **kwargs)`` and return its future. Starts the controller if need be.

        Raises:
            RuntimeError: after ``shutdown``.
            SerializationError, LaunchError, DispatcherError, TypeError: as ``Controller.submit``.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("cannot schedule new futures after shutdown")
            self._entering += 1
        try:
            running = self._controller.started
            handle = self._controller.submit(fn, *args, **kwargs)
            handle.executor = self
            if not running:
                self._started = self._controller._session
            if self._cancelling:  # since we entered
                handle.cancel()
            return handle
        finally:
            self._leave()

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
    ) -> Iterator[T]:
        """Call ``fn`` with the elements of the iterables as tasks; their values in input order.

        All tasks are queued at once; the iterator blocks until the next value is there and raises
        what its task raised. When it raises or is closed, the tasks that are left are cancelled.

        Args:
            fn: what is called.
            iterables: its arguments; the shortest ends it.
            timeout: seconds from the call of ``map`` until each value must be there.
            chunksize: so many calls make one task.

        Raises:
            RuntimeError: after ``shutdown``.
            ValueError: ``chunksize`` is less than 1.
            TimeoutError: from the iterator.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        deadline = None if timeout is None else time.monotonic() + timeout
        calls = zip(*iterables)  # noqa: B905 - as the built-in map
        if chunksize == 1:
            return _values(self._submit_all(fn, calls), deadline)
        handles = self._submit_all(partial(_run_chunk, fn), _chunks(calls, chunksize))
        return _flatten(_values(handles, deadline))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls. Can be called again.

        The controller goes on, unless it was this executor that started it: then it is terminated
        once the futures are done.

        Args:
            wait: block until all futures are done, without a limit; or until they never will be,
                because no workers can be launched. The futures then tell. Ctrl-C interrupts.
            cancel_futures: cancel what is not finished, running tasks included.
        """
        with self._entrance:
            self._closed = True
            self._cancelling = self._cancelling or cancel_futures
        if cancel_futures:
            _cancel(self._unfinished())
        if wait:
            self._finish()
        elif self._started is not None or self._entering:
            # As in concurrent.futures, the interpreter does not exit before this is over.
            threading.Thread(target=self._finish, name="crew-executor").start()

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _leave(self) -> None:
        with self._lock:
            self._entering -= 1
            if self._closed:
                self._entrance.notify_all()

    def _unfinished(self) -> list[Task[Any]]:
        session = self._controller._session
        return [] if session is None else session.book.unfinished_of(self)

    def _submit_all(self, fn: Callable[..., T], calls: Iterable[Sequence[Any]]) -> list[Task[T]]:
        handles: list[Task[T]] = []
        try:
            for arguments in calls:
                handles.append(self.submit(fn, *arguments))
        except BaseException:  # nobody will ever ask for the first ones
            _cancel(handles)
            raise
        return handles

    def _finish(self) -> None:
        with self._entrance:
            self._entrance.wait_for(lambda: not self._entering)
        for handle in self._unfinished():
            with contextlib.suppress(CrewError):  # it will never end
                handle._wait(None)
        if self._started is not None and self._started is self._controller._session:
            self._controller.terminate()
        self._started = None


def _values(handles: list[Task[T]], deadline: float | None) -> Iterator[T]:
    # Apart from ``map``, which queues the tasks before the first value is asked for.
    handles.reverse()  # what was given out is let go
    try:
        while handles:
            yield _value(handles.pop(), deadline)
    finally:
        _cancel(handles)


def _value(handle: Task[T], deadline: float | None) -> T:
    try:
        return handle.result(None if deadline is None else deadline - time.monotonic())
    finally:
        handle.cancel()  # when it was not there in time; else without effect


def _cancel(handles: Iterable[Task[Any]]) -> None:
    for handle in handles:
        handle.cancel()


def _chunks(calls: Iterable[Sequence[Any]], size: int) -> Iterator[tuple[list[Sequence[Any]]]]:
    remaining = iter(calls)
    while chunk := list(itertools.islice(remaining, size)):
        yield (chunk,)


def _run_chunk(fn: Callable[..., T], calls: Iterable[Sequence[Any]]) -> list[T]:
    return [fn(*arguments) for arguments in calls]


def _flatten(chunks: Iterator[list[T]]) -> Iterator[T]:
    for chunk in chunks:
        chunk.reverse()
        while chunk:
            yield chunk.pop()
