"""Waits for tasks of several members at once: whichever ends first wakes who waits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

from crew_core._controller import submission
from crew_core._controller.controller import Controller
from crew_core._controller.group_taking import GroupTaking, present
from crew_core._controller.progress import wait_showing
from crew_core._controller.session import Session
from crew_core._controller.waiting import wait_until_async


class GroupWaiting(GroupTaking):
    """The part of ``ControllerGroup`` that waits."""

    def wait(
        self,
        mode: Literal["all", "one"] = "all",
        seconds_timeout: float = math.inf,
        scale: bool = True,
        throttle: bool = True,
        progress: bool | None = False,
        controllers: str | Sequence[str] | None = None,
    ) -> bool:
        """Wait until tasks of members are done. Ctrl-C interrupts at once and harms nothing.

        Args:
            mode: "all": every pushed task of every member has ended; "one": at least one of any
                member can be popped.
            seconds_timeout: the longest wait, in seconds.
            scale: let this call launch workers for tasks that wait.
            throttle: let launches gather; False: look at once.
            progress: show a bar for all together, as in ``Controller.wait``.
            controllers: names of the members that are meant; None: all. Members that are not
                started when the wait begins are not waited for.

        Returns:
            True when it is so. When no member has tasks, at once: True for "all", False for "one".

        Raises:
            KeyError: there is no such member.
            ConfigError: an unknown mode.
            DispatcherError: a member's dispatcher died, and it is not so yet.
            LaunchError: no workers can be launched for a member, and it is not so yet.

        Example::

            >>> import crew_core as crew
            >>> a, b = crew.controller("local", name="a"), crew.controller("local", name="b")
            >>> with crew.ControllerGroup(a, b) as group:
            ...     _ = group.push(abs, (-1,), controller="b")
            ...     print(group.wait("one"), group.wait("all", controllers="a"))
            True True
        """
        submission.check_choice("mode", mode, ("all", "one"))
        seconds = submission.check_timeout("seconds_timeout", seconds_timeout)
        sessions = _with_tasks(self._some(controllers), scale=scale, throttle=throttle)
        if not sessions:
            return mode == "all"
        return wait_showing(sessions, _question(mode, sessions), seconds, progress)

    async def wait_async(
        self,
        mode: Literal["all", "one"] = "all",
        seconds_timeout: float = math.inf,
        controllers: str | Sequence[str] | None = None,
    ) -> bool:
        """As ``wait``, while the event loop goes on. Can be cancelled. ``await group`` is this.

        Args:
            mode: as in ``wait``.
            seconds_timeout: the longest wait, in seconds.
            controllers: as in ``wait``.

        Raises:
            KeyError, ConfigError, DispatcherError, LaunchError: as ``wait``.

        Example::

            >>> import asyncio
            >>> import crew_core as crew
            >>> async def main():
            ...     async with crew.ControllerGroup(crew.controller("local")) as group:
            ...         group.push(abs, (-1,))
            ...         return await group.wait_async()
            >>> asyncio.run(main())
            True
        """
        submission.check_choice("mode", mode, ("all", "one"))
        seconds = submission.check_timeout("seconds_timeout", seconds_timeout)
        sessions = _with_tasks(self._some(controllers), scale=True, throttle=True)
        if not sessions:
            return mode == "all"
        return await wait_until_async(sessions, _question(mode, sessions), seconds)


def _with_tasks(members: Sequence[Controller], *, scale: bool, throttle: bool) -> list[Session]:
    """The sessions to listen to; none when nothing is left to wait for."""
    running = present(members)
    if not any(session.book.size for _, session in running):
        for _, session in running:
            session.check()
        return []
    for member, session in running:
        member._maybe_scale(session, scale=scale, throttle=throttle)
    return [session for _, session in running]


def _question(mode: Literal["all", "one"], sessions: Sequence[Session]) -> Callable[[], bool]:
    books = [session.book for session in sessions]
    if mode == "all":
        return lambda: not any(book.unresolved for book in books)
    return lambda: any(book.poppable for book in books)
