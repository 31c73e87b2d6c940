"""Tasks as they finish, one by one, in a thread or in an event loop: what ``for`` iterates over."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import (
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import TYPE_CHECKING, Any, Literal

from crew_core._controller import task_options
from crew_core._controller.book import TaskBook
from crew_core._controller.complaints import ON_ERROR, OnError, complain
from crew_core._controller.handle import Task
from crew_core._controller.modes import wait_for_async
from crew_core._controller.session_holder import SessionHolder
from crew_core._controller.waiting import give_way, in_thread, wait_until, wait_until_async
from crew_core._model.errors import ConfigError
from crew_core._model.record import Record

if TYPE_CHECKING:
    from typing_extensions import Self

    from crew_core._controller.session import Session


class Streaming(SessionHolder):
    """The part of ``Controller`` that hands out tasks as they finish, and its async forms."""

    def results(self, error: OnError | None = None) -> Results:
        """Pop records as they finish: ``for record in controller.results()``, or ``async for``.

        Ends when no pushed task is left; tasks that are pushed meanwhile come too. Each step blocks
        (the thread, or the coroutine alone) until a record is there, without a limit. Ctrl-C or a
        cancellation interrupts at once and loses no record; the controller stays usable.

        Args:
            error: when a task did not succeed, as in ``pop``: "stop" raises TaskError, whose
                ``record`` is the popped one; the iterator can be used further.

        Raises:
            ConfigError: an unknown ``error``.
            TaskError: from a step, with ``error="stop"``.
            DispatcherError, LaunchError: from a step: nothing is there to pop, and nothing will be.

        Example::

            >>> handles = controller.walk("x + 1", {"x": [1, 2]})
            >>> sorted(record.result for record in controller.results())
            [2, 3]
        """
        if error is not None:
            task_options.check_choice("error", error, ON_ERROR)
        return Results([self], error)

    def as_completed(
        self, handles: Iterable[Task[Any]] | Mapping[str, Task[Any]] | None = None
    ) -> Completed:
        """Iterate over handles as their tasks finish, by ``for`` or ``async for``. Pops nothing.

        Those that are finished come first. Each step blocks (the thread, or the coroutine alone)
        until a task ends, without a limit; Ctrl-C and cancellation are safe.

        Args:
            handles: of this controller's tasks, or what ``walk`` returned; None: of all pushed
                tasks that are not popped now.

        Raises:
            ConfigError: a handle is of another controller.
            TypeError: something is not a handle.
            LaunchError: from a step: no workers can be launched. After the death of the dispatcher
                all handles are finished, and their ``result()`` raises DispatcherError.

        Example::

            >>> handles = controller.walk("x + 1", {"x": [1, 2]})
            >>> sorted(task.result() for task in controller.as_completed(handles))
            [2, 3]
        """
        return Completed([self], handles)

    async def wait_async(
        self, mode: Literal["all", "one"] = "all", seconds_timeout: float = math.inf
    ) -> bool:
        """As ``wait``, while the event loop goes on. Can be cancelled.

        Args:
            mode: "all": every pushed task has ended; "one": at least one can be popped.
            seconds_timeout: the longest wait, in seconds.

        Returns:
            True when it is so. On an empty controller at once: True for "all", False for "one".

        Raises:
            ConfigError: an unknown mode.
            DispatcherError: the dispatcher died.
            LaunchError: no workers can be launched.

        Example::

            >>> import asyncio
            >>> async def wait_for_all():
            ...     controller.push("1 + 1")
            ...     return await controller.wait_async()
            >>> asyncio.run(wait_for_all())
            True
        """
        return await wait_for_async([self], mode, seconds_timeout)

    async def __aenter__(self) -> Self:
        import asyncio

        running = self.started
        try:
            await in_thread(self.start)
        except asyncio.CancelledError:
            if not running:  # nobody else will end what we have just started
                await in_thread(self.terminate)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await in_thread(self.terminate)

    def __await__(self) -> Generator[Any, None, bool]:
        return self.wait_async().__await__()

    def __aiter__(self) -> Results:
        return self.results()

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _pop_record(self, session: Session) -> Record | None:
        handle = session.book.pop()
        if handle is None:
            return None
        record = handle.record
        assert record is not None
        self._log_of.add(record)
        return record


class Results(Iterator[Record], AsyncIterator[Record]):
    """Records as they finish: an iterator, and an async iterator. Made by ``results()``."""

    def __init__(self, controllers: Sequence[Streaming], error: OnError | None) -> None:
        self._controllers = controllers
        self._error = error

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Record:
        while sessions := _sessions_with_tasks(self._controllers):
            wait_until(sessions, _something_to_pop(sessions))
            # None: another thread was quicker.
            if (record := pop_record(self._controllers)) is not None:
                return self._checked(record)
        raise StopIteration

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Record:
        # Others get their turn, however many records are there. After the pop there must be no
        # await: a cancellation there would lose the record.
        await give_way()
        while sessions := _sessions_with_tasks(self._controllers):
            await wait_until_async(sessions, _something_to_pop(sessions))
            if (record := pop_record(self._controllers)) is not None:
                return self._checked(record)
        raise StopAsyncIteration

    def _checked(self, record: Record) -> Record:
        if record.status != "success":
            complain([record], self._error)
        return record


class Completed(Iterator[Task[Any]], AsyncIterator[Task[Any]]):
    """Handles as their tasks finish: an iterator, and an async one. Made by ``as_completed()``."""

    def __init__(
        self,
        controllers: Sequence[Streaming],
        handles: Iterable[Task[Any]] | Mapping[str, Task[Any]] | None,
    ) -> None:
        self._controllers = controllers
        self._sessions = _running_sessions(controllers)
        self._arrivals = _Arrivals()
        if handles is None:
            for session in self._sessions:
                with session.book.changed:
                    self._arrivals.expect(session.book.unpopped())
            return
        wanted = _checked(handles)
        _check_home(wanted, self._sessions)
        for book, theirs in _by_book(wanted).items():
            with book.changed:
                self._arrivals.expect(theirs)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Task[Any]:
        _running_sessions(self._controllers)  # refuses in a forked child
        while self._arrivals.more():
            wait_until(self._sessions, self._arrivals.look)
            if (handle := self._arrivals.take()) is not None:
                return handle
        raise StopIteration

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Task[Any]:
        await give_way()  # others get their turn, however many are finished
        _running_sessions(self._controllers)
        while self._arrivals.more():
            await wait_until_async(self._sessions, self._arrivals.look)
            if (handle := self._arrivals.take()) is not None:
                return handle
        raise StopAsyncIteration


def pop_record(controllers: Sequence[Streaming]) -> Record | None:
    """Pop the record of the task that ended first, whichever controller it is of."""
    while True:
        waiting = []
        for controller in controllers:
            session = controller._present()
            if session is not None and (place := session.book.oldest) is not None:
                waiting.append((place, controller, session))
        if not waiting:
            return None
        _, controller, session = min(waiting, key=lambda found: found[0])
        if (record := controller._pop_record(session)) is not None:
            return record  # else another thread was quicker


class _Arrivals:
    """Takes in handles as they finish.

    Handles call it under their book's lock and before the book wakes who waits.
    """

    def __init__(self) -> None:
        self._ready: deque[Task[Any]] = deque()
        self._expected = 0
        self._counting = threading.Lock()  # handles of different books arrive at once

    def expect(self, handles: Sequence[Task[Any]]) -> None:
        """Call it under the lock of the handles' book."""
        for handle in handles:
            if handle.done():
                self._ready.append(handle)
            else:
                with self._counting:
                    self._expected += 1
                handle._watch(self._arrived)

    def more(self) -> bool:
        """True when something is there, or will be."""
        return self._expected > 0 or bool(self._ready)

    def look(self) -> bool:
        """True when there is nothing to wait for."""
        return bool(self._ready) or not self._expected

    def take(self) -> Task[Any] | None:
        """The next one; None when another thread was quicker."""
        try:
            return self._ready.popleft()
        except IndexError:
            return None

    def _arrived(self, handle: Task[Any]) -> None:
        self._ready.append(handle)  # first, for ``more`` is asked without the lock
        with self._counting:
            self._expected -= 1


def _running_sessions(controllers: Sequence[Streaming]) -> list[Session]:
    present = [controller._present() for controller in controllers]
    return [session for session in present if session is not None]


def _sessions_with_tasks(controllers: Sequence[Streaming]) -> list[Session]:
    """The sessions in which something is left to pop, now or later."""
    found = []
    for controller in controllers:
        session = controller._present()
        if session is not None and session.book.size:
            controller._maybe_scale(session, scale=True, throttle=True)
            found.append(session)
    return found


def _something_to_pop(sessions: Sequence[Session]) -> Callable[[], bool]:
    books = [session.book for session in sessions]
    # Without the second half, two who share the records would wait for each other's last.
    return lambda: any(b.poppable for b in books) or all(b.exhausted for b in books)


def _checked(handles: Iterable[Task[Any]] | Mapping[str, Task[Any]]) -> list[Task[Any]]:
    given = handles.values() if isinstance(handles, Mapping) else handles
    found = list(dict.fromkeys(given))
    for handle in found:
        if not isinstance(handle, Task):
            raise TypeError(f"as_completed takes handles of tasks, not {handle!r}")
    return found


def _by_book(handles: Sequence[Task[Any]]) -> dict[TaskBook, list[Task[Any]]]:
    found: dict[TaskBook, list[Task[Any]]] = {}
    for handle in handles:
        found.setdefault(handle._book, []).append(handle)
    return found


def _check_home(handles: Sequence[Task[Any]], sessions: Sequence[Session]) -> None:
    books = [session.book for session in sessions]
    for handle in handles:
        if handle._book not in books and not handle.done():
            raise ConfigError(
                f"task {handle.name!r} is of another controller: ask that one, or use "
                "concurrent.futures.as_completed for a mixture"
            )
