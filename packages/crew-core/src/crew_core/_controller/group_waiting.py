"""Waits for tasks of several members at once: whichever ends first wakes who waits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from crew_core._controller.group_taking import GroupTaking
from crew_core._controller.modes import wait_for, wait_for_async


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
        return wait_for(
            self._some(controllers),
            mode,
            seconds_timeout,
            scale=scale,
            throttle=throttle,
            progress=progress,
        )

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
        return await wait_for_async(self._some(controllers), mode, seconds_timeout)
