"""What workers of a group have in common: warm-ups that each runs, objects that each may need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from crew_core._controller.everywhere import Everywhere
from crew_core._controller.members import Members, of_each
from crew_core._controller.references import Reference

T = TypeVar("T")


class GroupSharing(Members):
    """The part of ``ControllerGroup`` that reaches every worker."""

    def everywhere(  # noqa: PLR0913 - that of Controller.everywhere
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
        save_command: bool = False,
        controllers: str | Sequence[str] | None = None,
    ) -> dict[str, Everywhere]:
        """Run a command on every worker of members, now and on each that comes later.

        See ``Controller.everywhere``. Starts members that are not running; does not wait.

        Args:
            command: as all that follows, see ``Controller.everywhere``.
            args: positional arguments.
            data: keyword arguments, or the text's local names.
            name: for logs and records.
            globals: global names to set.
            packages: modules imported first.
            seed: for its random numbers, the same on each worker.
            algorithm: NumPy bit generator of ``crew.rng()``.
            seconds_timeout: longest run time on a worker, in seconds.
            save_command: keep the command's text in the records.
            controllers: names of the members that are meant; None: all.

        Returns:
            The handle of each member's warm-up, by the member's name.

        Raises:
            KeyError: there is no such member.
            ConfigError, TypeError, SerializationError, DispatcherError: as
                ``Controller.everywhere``.

        Example::

            >>> import crew_core as crew
            >>> a, b = crew.controller("local", name="a"), crew.controller("local", name="b")
            >>> with crew.ControllerGroup(a, b) as group:
            ...     warm_ups = group.everywhere("x = 2")
            ...     print(group.push("x + 1", controller="b").result(), list(warm_ups))
            3 ['a', 'b']
        """
        members = self._some(controllers)
        handles = of_each(
            members,
            lambda member: member.everywhere(
                command,
                args,
                data,
                name=name,
                globals=globals,
                packages=packages,
                seed=seed,
                algorithm=algorithm,
                seconds_timeout=seconds_timeout,
                save_command=save_command,
            ),
        )
        return {member.name: handle for member, handle in zip(members, handles, strict=True)}

    def put(self, obj: T, controller: str | None = None) -> Reference[T]:
        """Hand over a big object that many tasks of one member use, as ``Controller.put``.

        Starts the member, if need be; does not wait for workers.

        Args:
            obj: the object. Tasks of another member need a reference of their own.
            controller: the member's name; None: the first member.

        Returns:
            A reference that stands for the object in tasks of this member.

        Raises:
            KeyError: there is no such member.
            SerializationError, ConfigError, DispatcherError: as ``Controller.put``.

        Example::

            >>> import crew_core as crew
            >>> a, b = crew.controller("local", name="a"), crew.controller("local", name="b")
            >>> with crew.ControllerGroup(a, b) as group:
            ...     table = group.put(list(range(1000)), controller="b")
            ...     print(group.push(sum, (table,), controller="b").result())
            499500
        """
        return self._one(controller).put(obj)
