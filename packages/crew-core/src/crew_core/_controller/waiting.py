"""Waits, in a thread or in an event loop, until something is so in the books of sessions.

::

    task ends, trouble, failure ──► TaskBook of each session ──► listeners ──┬── wait_until
                                                                             └── wait_until_async
                                                                          (call_soon_threadsafe)

Nobody polls, however many sessions there are: whichever changes first wakes who waits.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crew_core._controller.session import Session
    from crew_core._controller.sheet import Sheet


def wait_until(
    sessions: Sequence[Session],
    done: Callable[[], bool],
    seconds: float = math.inf,
    sheet: Sheet | None = None,
) -> bool:
    """Block the thread until it is so; False when it is not within so many seconds.

    Args:
        sessions: whose changes may make it so.
        done: is it so?
        seconds: the longest wait.
        sheet: it is so when all tasks of this one have ended, not before.

    Raises:
        DispatcherError, LaunchError: it will never be.
    """
    deadline = time.monotonic() + seconds
    bell = threading.Event()
    with _listening(sessions, bell.set, sheet):
        while not _look(sessions, done):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            # Waiting without end must not be passed as infinity, which overflows.
            bell.wait(min(left, 3600.0))
            bell.clear()  # before the next look: whatever changes from here on rings again
    return True


async def wait_until_async(
    sessions: Sequence[Session], done: Callable[[], bool], seconds: float = math.inf
) -> bool:
    """As ``wait_until``, while the event loop goes on. Can be cancelled."""
    deadline = time.monotonic() + seconds
    bell = _Bell()
    with _listening(sessions, bell.ring):
        while not _look(sessions, done):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            await bell.wait(left)
    return True


async def in_thread(function: Callable[[], object]) -> None:
    """Call it in a thread of its own while the event loop goes on.

    When this is cancelled it waits for the end of the call all the same, and raises then: what was
    half started or half ended would be nobody's.
    """
    import asyncio

    # The loop's own threads may all be waiting for what this call is to bring about.
    threads = concurrent.futures.ThreadPoolExecutor(1, "crew-async")
    running = asyncio.get_running_loop().run_in_executor(threads, function)
    threads.shutdown(wait=False)
    cancellation: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as error:
            cancellation = error
    failure = running.exception()
    if cancellation is not None:
        raise cancellation
    if failure is not None:
        raise failure


async def give_way() -> None:
    """Let the event loop do something else."""
    import asyncio

    await asyncio.sleep(0)


@contextmanager
def _listening(
    sessions: Sequence[Session], listener: Callable[[], None], sheet: Sheet | None = None
) -> Iterator[None]:
    try:
        for session in sessions:
            session.book.listen(listener, sheet)
        yield
    finally:
        for session in sessions:
            session.book.unlisten(listener)


def _look(sessions: Sequence[Session], done: Callable[[], bool]) -> bool:
    # What was so is looked at before what went wrong, and both after the bell was made ready.
    failures = [session.book.failure for session in sessions]
    if done():
        return True
    for failure in failures:
        if failure is not None:
            raise failure  # also when terminated from another thread
    for session in sessions:
        if (trouble := session.trouble_of_waiting()) is not None:
            raise trouble
    return False


class _Bell:
    """Rung from any thread, heard in the event loop in which it was made."""

    def __init__(self) -> None:
        import asyncio  # whoever waits here has it; others need not pay for it

        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()
        self._rung = False  # a burst of changes wakes the loop once

    def ring(self) -> None:
        if self._rung:
            return
        self._rung = True
        with contextlib.suppress(RuntimeError):  # the loop was closed under who waited in it
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, seconds: float) -> None:
        """Until it is rung, or so many seconds are over. What it was rung for, look at then."""
        timer = None if seconds == math.inf else self._loop.call_later(seconds, self._event.set)
        try:
            await self._event.wait()
        finally:
            if timer is not None:
                timer.cancel()
        # Before the caller looks: whatever changes from here on rings again.
        self._event.clear()
        self._rung = False
