"""What ``wait`` waits for: the end of all tasks, or of one, of one controller or several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, TypeVar

from crew_core._controller import task_options
from crew_core._controller.progress import wait_showing
from crew_core._controller.session_holder import SessionHolder
from crew_core._controller.waiting import wait_until_async

if TYPE_CHECKING:
    from crew_core._controller.session import Session

Mode = Literal["all", "one"]
Holder = TypeVar("Holder", bound=SessionHolder)


def wait_for(
    controllers: Sequence[SessionHolder],
    mode: Mode,
    seconds_timeout: float,
    *,
    scale: bool,
    throttle: bool,
    progress: bool | None,
) -> bool:
    """See ``Controller.wait``."""
    seconds = _check(mode, seconds_timeout)
    running = with_sessions(controllers)
    if _is_empty(running):
        return mode == "all"
    for controller, session in running:
        if not session.runs_here:  # else the wait runs tasks, and no more than it needs
            controller._maybe_scale(session, scale=scale, throttle=throttle)
    sessions = [session for _, session in running]
    return wait_showing(sessions, _question(mode, sessions), seconds, progress)


async def wait_for_async(
    controllers: Sequence[SessionHolder], mode: Mode, seconds_timeout: float
) -> bool:
    """See ``Controller.wait_async``."""
    seconds = _check(mode, seconds_timeout)
    running = with_sessions(controllers)
    if _is_empty(running):
        return mode == "all"
    for controller, session in running:
        controller._maybe_scale(session, scale=True, throttle=True)
    sessions = [session for _, session in running]
    return await wait_until_async(sessions, _question(mode, sessions), seconds)


def with_sessions(controllers: Sequence[Holder]) -> list[tuple[Holder, Session]]:
    """The controllers that are running, with their sessions."""
    present = [(controller, controller._present()) for controller in controllers]
    return [(controller, session) for controller, session in present if session is not None]


def _check(mode: Mode, seconds_timeout: float) -> float:
    task_options.check_choice("mode", mode, ("all", "one"))
    return task_options.check_timeout("seconds_timeout", seconds_timeout)


def _is_empty(running: Sequence[tuple[SessionHolder, Session]]) -> bool:
    """True when nothing is left to wait for; raises what keeps it so."""
    if any(session.book.size for _, session in running):
        return False
    for _, session in running:
        session.check()
    return True


def _question(mode: Mode, sessions: Sequence[Session]) -> Callable[[], bool]:
    books = [session.book for session in sessions]
    if mode == "all":
        return lambda: not any(book.unresolved for book in books)
    return lambda: any(book.poppable for book in books)
