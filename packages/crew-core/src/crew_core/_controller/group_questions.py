"""What a group can be asked: sums over its members, their tables as one, a worker's output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crew_core._controller.handle import Task
from crew_core._controller.members import Members
from crew_core._model.errors import ConfigError
from crew_core._model.record import Record

if TYPE_CHECKING:
    import pandas as pd


class GroupQuestions(Members):
    """The part of ``ControllerGroup`` that answers questions. None of them starts a member.

    Example::

        >>> import crew_core as crew
        >>> a, b = crew.controller("local", name="a"), crew.controller("local", name="b")
        >>> with crew.ControllerGroup(a, b) as group:
        ...     for name in group:
        ...         task = group.push(abs, (-1,), controller=name)
        ...     _ = group.wait()
        ...     record = group.pop()
        ...     print(group.size, group.pushed, group.popped, group.resolved, group.unresolved)
        1 2 1 2 0
    """

    @property
    def size(self) -> int:
        """Pushed tasks of all members that are not popped, running or done."""
        return sum(member.size for member in self.values())

    @property
    def empty(self) -> bool:
        """True when ``size`` is 0."""
        return self.size == 0

    @property
    def nonempty(self) -> bool:
        """True when ``size`` is not 0."""
        return self.size > 0

    @property
    def saturated(self) -> bool:
        """True when the first member is saturated, the one that ``push`` gives tasks to.

        Of another member, ``group["name"].saturated`` tells.
        """
        return self._one(None).saturated

    @property
    def pushed(self) -> int:
        """Tasks pushed to the members since they started."""
        return sum(member.pushed for member in self.values())

    @property
    def popped(self) -> int:
        """Tasks of the members popped since they started."""
        return sum(member.popped for member in self.values())

    @property
    def resolved(self) -> int:
        """Pushed tasks of the members that have ended since they started, popped or not."""
        return sum(member.resolved for member in self.values())

    @property
    def unresolved(self) -> int:
        """Pushed tasks of all members that have not ended."""
        return sum(member.unresolved for member in self.values())

    @property
    def hours_used(self) -> float:
        """Worker-hours of all members since they started.

        Example::

            >>> 0 <= crew.ControllerGroup(controller).hours_used < 1
            True
        """
        return sum(member.hours_used for member in self.values())

    @property
    def budget_hours(self) -> float:
        """What the members' workers may use, in worker-hours: the sum of their budgets.

        Each member keeps to its own, which can be set, and the group's cannot.

        Example::

            >>> group = crew.ControllerGroup(controller)
            >>> group[controller.name].budget_hours = 10
            >>> group.budget_hours
            10
        """
        return sum(member.budget_hours for member in self.values())

    def crashes(self, name: str, controllers: str | Sequence[str] | None = None) -> int:
        """Crashes in a row of the task of this name, until it succeeds: the sum over members.

        Args:
            name: the task's.
            controllers: names of the members that are meant; None: all.

        Raises:
            KeyError: there is no such member.

        Example::

            >>> import crew_core as crew
            >>> crew.ControllerGroup(crew.controller("local")).crashes("x")
            0
        """
        return sum(member.crashes(name) for member in self._some(controllers))

    def summary(self, controllers: str | Sequence[str] | None = None) -> pd.DataFrame:
        """What each worker of each member did, as ``Controller.summary``, member by member.

        Args:
            controllers: names of the members that are meant; None: all.

        Raises:
            KeyError: there is no such member.

        Example::

            >>> import crew_core as crew
            >>> a, b = crew.controller("local", name="a"), crew.controller("local", name="b")
            >>> with crew.ControllerGroup(a, b) as group:
            ...     print(group.push(abs, (-1,), controller="b").result())
            ...     print(group.summary()[["controller", "tasks"]].values.tolist())
            1
            [['b', 1]]
        """
        from crew_core._controller.tables import joined

        return joined([member.summary() for member in self._some(controllers)])

    def explain(self, controllers: str | Sequence[str] | None = None) -> str:
        """Why there are as many workers as there are, as ``Controller.explain``, of each member.

        Args:
            controllers: names of the members that are meant; None: all.

        Raises:
            KeyError: there is no such member.

        Example::

            >>> import crew_core as crew
            >>> crew.ControllerGroup(crew.controller("local", name="a")).explain()
            "controller 'a' is not started: it starts with the first task"
        """
        return "\n\n".join(member.explain() for member in self._some(controllers))

    def logs(
        self,
        of: int | str | Task[Any] | Record,
        controllers: str | Sequence[str] | None = None,
    ) -> str:
        """The output of a worker of a member, as text, as ``Controller.logs``.

        Args:
            of: a task's name or handle, or a record; or a worker's number, when one member is
                meant, as each counts its own.
            controllers: names of the members that are meant; None: all.

        Raises:
            KeyError: there is no such member.
            ConfigError: nothing is known of it, or several members know it.

        Example::

            >>> import crew_core as crew
            >>> with crew.ControllerGroup(crew.controller("local")) as group:
            ...     task = group.push(print, ("hello",))
            ...     _ = group.wait()
            ...     print("hello" in group.logs(task))
            True
        """
        members = self._some(controllers)
        if isinstance(of, (Task, Record)):
            return members[0].logs(of)  # it tells itself where its log is
        known = [member for member in members if member._knows_logs(of)]
        if len(known) > 1:
            told = ", ".join(repr(member.name) for member in known)
            raise ConfigError(
                f"logs({of!r}): {told} know such a worker or task: say which with controllers="
            )
        return (known or members)[0].logs(of)
