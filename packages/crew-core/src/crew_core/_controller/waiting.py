"""Waits, in a thread or in an event loop, until something is so in a session's book of tasks.

::

    task ends, trouble, failure ──► TaskBook ──┬── notifies ``changed`` ──► wait_until
                                               └── calls listeners ───────► wait_until_async
                                                       (call_soon_threadsafe)
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import math
import time
from collections.abc import Callable

from crew_core._controller.session import Session


def wait_until(session: Session, done: Callable[[], bool], seconds: float = math.inf) -> bool:
    """Block the thread until it is so; False when it is not within so many seconds.

    Raises:
        DispatcherError, LaunchError: it will never be.
    """
    deadline = time.monotonic() + seconds
    changed = session.book.changed
    with changed:
        while not _look(session, done):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            # Waiting without end must not be passed as infinity, which overflows.
            changed.wait(min(left, 3600.0))
        return True


async def wait_until_async(
    session: Session, done: Callable[[], bool], seconds: float = math.inf
) -> bool:
    """As ``wait_until``, while the event loop goes on. Can be cancelled."""
    deadline = time.monotonic() + seconds
    bell = _Bell()
    session.book.listen(bell.ring)
    try:
        while not _look(session, done):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            await bell.wait(left)
        return True
    finally:
        session.book.unlisten(bell.ring)


async def in_thread(function: Callable[[], object]) -> None:
    """Call it in a thread of its own while the event loop goes on.

    When this is cancelled it waits for the end of the call all the same, and raises then: what was
    half started or half ended would be nobody's.
    """
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


def _look(session: Session, done: Callable[[], bool]) -> bool:
    with session.book.changed:  # between the changes that belong together
        if done():
            return True
        if session.book.failure is not None:
            raise session.book.failure  # also when terminated from another thread
        session.check()
        return False


class _Bell:
    """Rung from any thread, heard in the event loop in which it was made."""

    def __init__(self) -> None:
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
