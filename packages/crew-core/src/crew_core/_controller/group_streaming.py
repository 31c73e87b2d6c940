"""Tasks of several members as they finish, in a thread or in an event loop."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crew_core._controller import task_options
from crew_core._controller.complaints import ON_ERROR, OnError
from crew_core._controller.group_life import GroupLife
from crew_core._controller.group_waiting import GroupWaiting
from crew_core._controller.handle import Task
from crew_core._controller.streaming import Completed, Results
from crew_core._controller.waiting import in_thread

if TYPE_CHECKING:
    from typing_extensions import Self


class GroupStreaming(GroupWaiting, GroupLife):
    """The part of ``ControllerGroup`` that hands out tasks as they finish."""

    def results(
        self, error: OnError | None = None, controllers: str | Sequence[str] | None = None
    ) -> Results:
        """Pop records as they finish, whichever member they are of, by ``for`` or ``async for``.

        Ends when no pushed task is left; otherwise as ``Controller.results``. Tasks that are pushed
        meanwhile come too.

        Args:
            error: when a task did not succeed, as in ``pop``.
            controllers: names of the members that are meant; None: all.

        Raises:
            KeyError: there is no such member.
            ConfigError: an unknown ``error``.
            TaskError: from a step, with ``error="stop"``.
            DispatcherError, LaunchError: from a step: nothing is there to pop, and a member that
                has tasks is in trouble.

        Example::

            >>> import crew_core as crew
            >>> a, b = crew.controller("local", name="a"), crew.controller("local", name="b")
            >>> with crew.ControllerGroup(a, b) as group:
            ...     for name in group:
            ...         task = group.push(abs, (-1,), controller=name)
            ...     print(sorted(record.controller for record in group.results()))
            ['a', 'b']
        """
        if error is not None:
            task_options.check_choice("error", error, ON_ERROR)
        return Results(self._some(controllers), error)

    def as_completed(
        self,
        handles: Iterable[Task[Any]] | Mapping[str, Task[Any]] | None = None,
        controllers: str | Sequence[str] | None = None,
    ) -> Completed:
        """Iterate over handles as their tasks finish, by ``for`` or ``async for``. Pops nothing.

        As ``Controller.as_completed``, for tasks of any members.

        Args:
            handles: of tasks of the members that are meant, or what ``walk`` returned; None: of all
                their pushed tasks that are not popped now.
            controllers: names of the members that are meant; None: all.

        Raises:
            KeyError: there is no such member.
            ConfigError: a handle is of another controller.
            TypeError: something is not a handle.
            LaunchError: from a step: no workers can be launched for a member.

        Example::

            >>> import crew_core as crew
            >>> a, b = crew.controller("local", name="a"), crew.controller("local", name="b")
            >>> with crew.ControllerGroup(a, b) as group:
            ...     tasks = [group.push(abs, (x,), controller=name) for x, name in enumerate(group)]
            ...     print(sorted(task.result() for task in group.as_completed(tasks)))
            [0, 1]
        """
        return Completed(self._some(controllers), handles)

    async def __aenter__(self) -> Self:
        import asyncio

        running = [name for name, member in self.items() if member.started]
        try:
            await in_thread(self.start)
        except asyncio.CancelledError:
            new = [name for name in self if name not in running]
            if new:  # nobody else will end what we have just started
                await in_thread(lambda: self.terminate(new))
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await in_thread(self.terminate)

    def __await__(self) -> Generator[Any, None, bool]:
        return self.wait_async().__await__()

    def __aiter__(self) -> Results:
        return self.results()
