"""Tasks into a group: each goes through one member, the first unless another is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from crew_core._controller.complaints import OnError
from crew_core._controller.executor import ControllerExecutor
from crew_core._controller.handle import Task
from crew_core._controller.members import Members
from crew_core._model.errors import ConfigError, TaskError

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


class GroupPushing(Members):
    """The part of ``ControllerGroup`` that takes tasks."""

    _error: pd.DataFrame | None = None

    @overload
    def push(
        self,
        command: Callable[..., T],
        args: Sequence[Any] = (),
        data: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        globals: Mapping[str, Any] | None = None,
        packages: Sequence[str] = (),
        seed: int | None = None,
        algorithm: str | None = None,
        seconds_timeout: float | None = None,
        seconds_queue: float | None = None,
        seconds_expected: float | None = None,
        priority: int = 0,
        save_command: bool = False,
        scale: bool = True,
        throttle: bool = True,
        controller: str | None = None,
    ) -> Task[T]: ...
    @overload
    def push(
        self,
        command: str,
        args: Sequence[Any] = (),
        data: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        globals: Mapping[str, Any] | None = None,
        packages: Sequence[str] = (),
        seed: int | None = None,
        algorithm: str | None = None,
        seconds_timeout: float | None = None,
        seconds_queue: float | None = None,
        seconds_expected: float | None = None,
        priority: int = 0,
        save_command: bool = False,
        scale: bool = True,
        throttle: bool = True,
        controller: str | None = None,
    ) -> Task[Any]: ...
    def push(  # noqa: PLR0913 - that of Controller.push
        self,
        command: Callable[..., Any] | str,
        args: Sequence[Any] = (),
        data: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
        globals: Mapping[str, Any] | None = None,
        packages: Sequence[str] = (),
        seed: int | None = None,
        algorithm: str | None = None,
        seconds_timeout: float | None = None,
        seconds_queue: float | None = None,
        seconds_expected: float | None = None,
        priority: int = 0,
        save_command: bool = False,
        scale: bool = True,
        throttle: bool = True,
        controller: str | None = None,
    ) -> Task[Any]:
        """Queue one task at a member and return its handle. Does not wait for it.

        Args:
            command: as all that follows, see ``Controller.push``.
            args: positional arguments.
            data: keyword arguments, or the text's local names.
            name: unique among the member's unpopped tasks.
            globals: global names for text and for functions shipped by value.
            packages: modules imported before the task runs.
            seed: for the task's random numbers.
            algorithm: NumPy bit generator of ``crew.rng()``.
            seconds_timeout: longest run time, in seconds.
            seconds_queue: longest wait for a worker, in seconds.
            seconds_expected: a worker with less time left than this is not given the task.
            priority: larger first, among the member's tasks.
            save_command: keep the command's text in the record.
            scale: let this push launch workers.
            throttle: let launches of a burst of pushes gather; False: look at once.
            controller: the member's name; None: the first member.

        Raises:
            KeyError: there is no such member.
            ConfigError, TypeError, SerializationError, LaunchError, DispatcherError: as
                ``Controller.push``.

        Example::

            >>> import crew_core as crew
            >>> a, b = crew.controller("local", name="a"), crew.controller("local", name="b")
            >>> with crew.ControllerGroup(a, b) as group:
            ...     task = group.push(sum, ([1, 2],), controller="b")
            ...     print(task.result(), task.record.controller)
            3 b
        """
        return self._one(controller).push(
            command,
            args,
            data,
            name=name,
            globals=globals,
            packages=packages,
            seed=seed,
            algorithm=algorithm,
            seconds_timeout=seconds_timeout,
            seconds_queue=seconds_queue,
            seconds_expected=seconds_expected,
            priority=priority,
            save_command=save_command,
            scale=scale,
            throttle=throttle,
        )

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Task[T]:
        """Queue ``fn(*args, **kwargs)`` at the first member and return its future.

        All keywords are the function's; for another member: ``group["name"].submit(...)``. Such a
        task is consumed through its future alone: ``pop``, ``collect`` and ``size`` do not see it.

        Raises:
            SerializationError, LaunchError, DispatcherError, TypeError: as ``Controller.submit``.

        Example::

            >>> import crew_core as crew
            >>> with crew.ControllerGroup(crew.controller("local")) as group:
            ...     print(group.submit(pow, 2, 3).result())
            8
        """
        return self._one(None).submit(fn, *args, **kwargs)

    def executor(self, controller: str | None = None) -> ControllerExecutor:
        """A ``concurrent.futures.Executor`` that runs calls as tasks of one member.

        Does not block and starts nothing yet; see ``Controller.executor``.

        Args:
            controller: the member's name; None: the first member.

        Raises:
            KeyError: there is no such member.

        Example::

            >>> import crew_core as crew
            >>> with crew.ControllerGroup(crew.controller("local")) as group:
            ...     print(list(group.executor().map(abs, [-1, -2])))
            [1, 2]
        """
        return self._one(controller).executor()

    def walk(  # noqa: PLR0913 - that of Controller.walk
        self,
        command: Callable[..., Any] | str,
        iterate: Mapping[str, Sequence[Any]],
        *,
        data: Mapping[str, Any] | None = None,
        globals: Mapping[str, Any] | None = None,
        packages: Sequence[str] = (),
        names: str | Sequence[str] | None = None,
        seed: int | None = None,
        algorithm: str | None = None,
        seconds_timeout: float | None = None,
        seconds_queue: float | None = None,
        seconds_expected: float | None = None,
        priority: int = 0,
        save_command: bool = False,
        scale: bool = True,
        throttle: bool = True,
        controller: str | None = None,
    ) -> dict[str, Task[Any]]:
        """Queue one task at a member for each element of the lists in ``iterate``; their handles.

        Args:
            command: as in ``push``; this and what follows is explained at ``Controller.walk``.
            iterate: lists of one length, by the name under which a task sees its element.
            data: what all tasks share.
            globals: as in ``push``.
            packages: as in ``push``.
            names: a key of ``iterate`` whose elements name the tasks, or a list of names.
            seed: root of the tasks' seeds.
            algorithm: as in ``push``.
            seconds_timeout: as in ``push``, for each task.
            seconds_queue: as in ``push``, for each task.
            seconds_expected: as in ``push``.
            priority: as in ``push``.
            save_command: as in ``push``.
            scale: as in ``push``.
            throttle: as in ``push``.
            controller: as in ``push``.

        Raises:
            KeyError: there is no such member.
            ConfigError, TypeError, SerializationError, LaunchError, DispatcherError: as ``push``.

        Example::

            >>> import crew_core as crew
            >>> with crew.ControllerGroup(crew.controller("local")) as group:
            ...     tasks = group.walk(abs, {"x": [-1, -2]}, names=["one", "two"])
            ...     print(tasks["two"].name)
            two
        """
        return self._one(controller).walk(
            command,
            iterate,
            data=data,
            globals=globals,
            packages=packages,
            names=names,
            seed=seed,
            algorithm=algorithm,
            seconds_timeout=seconds_timeout,
            seconds_queue=seconds_queue,
            seconds_expected=seconds_expected,
            priority=priority,
            save_command=save_command,
            scale=scale,
            throttle=throttle,
        )

    def map(  # noqa: PLR0913 - that of Controller.map
        self,
        command: Callable[..., Any] | str,
        iterate: Mapping[str, Sequence[Any]],
        *,
        data: Mapping[str, Any] | None = None,
        globals: Mapping[str, Any] | None = None,
        packages: Sequence[str] = (),
        names: str | Sequence[str] | None = None,
        seed: int | None = None,
        algorithm: str | None = None,
        seconds_timeout: float | None = None,
        seconds_queue: float | None = None,
        seconds_expected: float | None = None,
        priority: int = 0,
        save_command: bool = False,
        error: OnError = "stop",
        warnings: bool = True,
        progress: bool | None = None,
        scale: bool = True,
        throttle: bool = True,
        controller: str | None = None,
    ) -> pd.DataFrame:
        """Run one task at a member for each element of the lists in ``iterate`` and wait for all.

        Args:
            command: as in ``push``.
            iterate: as in ``walk``.
            data: as in ``walk``.
            globals: as in ``push``.
            packages: as in ``push``.
            names: as in ``walk``.
            seed: as in ``walk``.
            algorithm: as in ``push``.
            seconds_timeout: as in ``push``, for each task.
            seconds_queue: as in ``push``, for each task.
            seconds_expected: as in ``push``.
            priority: as in ``push``.
            save_command: as in ``push``.
            error: when a task did not succeed: "stop" raises and leaves the table in
                ``group.error``, "warn" warns, "silent" does neither.
            warnings: tell in one warning of ours that tasks gave warnings.
            progress: show a bar; None: where a person looks on (terminal, notebook).
            scale: as in ``push``.
            throttle: as in ``push``.
            controller: as in ``push``.

        Returns:
            A table with the record's columns, a row per task in the order of ``iterate``.

        Raises:
            KeyError: there is no such member.
            TaskError: a task did not succeed, with ``error="stop"``.
            ConfigError: the member has unpopped tasks; and as ``walk``.

        Example::

            >>> import crew_core as crew
            >>> with crew.ControllerGroup(crew.controller("local")) as group:
            ...     print(list(group.map("x + 1", {"x": [1, 2]}).result))
            [2, 3]
        """
        member = self._one(controller)
        try:
            return member.map(
                command,
                iterate,
                data=data,
                globals=globals,
                packages=packages,
                names=names,
                seed=seed,
                algorithm=algorithm,
                seconds_timeout=seconds_timeout,
                seconds_queue=seconds_queue,
                seconds_expected=seconds_expected,
                priority=priority,
                save_command=save_command,
                error=error,
                warnings=warnings,
                progress=progress,
                scale=scale,
                throttle=throttle,
            )
        except TaskError:
            self._error, member.error = member.error, None
            raise

    @property
    def error(self) -> pd.DataFrame | None:
        """The table of the group's last ``map`` or ``collect`` that raised. Settable to None.

        Raises:
            ConfigError: it is set to something else.

        Example::

            >>> import crew_core as crew
            >>> with crew.ControllerGroup(crew.controller("local")) as group:
            ...     try:
            ...         table = group.map("1 // x", {"x": [0, 1]})
            ...     except crew.TaskError:
            ...         print(list(group.error.status))
            ['error', 'success']
        """
        return self._error

    @error.setter
    def error(self, value: None) -> None:
        if value is not None:
            raise ConfigError("group.error can only be set to None")
        self._error = None
