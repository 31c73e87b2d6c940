"""A group's life: members start and end together, and none is left behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from crew_core._controller.members import Members, of_each

if TYPE_CHECKING:
    from typing_extensions import Self


class GroupLife(Members):
    """The part of ``ControllerGroup`` that starts and ends members."""

    def start(self, controllers: str | Sequence[str] | None = None) -> None:
        """Start members that are not running, one after another. Blocks until they are up.

        When one cannot start, those that this call has started are ended again.

        Args:
            controllers: names of the members that are meant; None: all.

        Raises:
            KeyError: there is no such member.
            DispatcherError: a member's dispatcher did not start within its ``seconds_timeout``.

        Example::

            >>> import crew_core as crew
            >>> a, b = crew.controller("local", name="a"), crew.controller("local", name="b")
            >>> group = crew.ControllerGroup(a, b)
            >>> group.start("b")
            >>> a.started, b.started, group.started
            (False, True, False)
            >>> group.terminate()
        """
        members = self._some(controllers)
        new = [member for member in members if not member.started]
        try:
            for member in members:
                member.start()
        except BaseException:  # Ctrl-C too
            of_each(new, lambda member: member.terminate())
            raise

    def terminate(self, controllers: str | Sequence[str] | None = None) -> None:
        """End members, whatever happens with another, and drop their unpopped tasks.

        Blocks for a few seconds at most for each. Does nothing for those that are not started.

        Args:
            controllers: names of the members that are meant; None: all.

        Raises:
            KeyError: there is no such member.
            CrewError: several members raised; tells of each. What only one raised is raised itself.

        Example::

            >>> import crew_core as crew
            >>> group = crew.ControllerGroup(crew.controller("local"))
            >>> group.start()
            >>> group.terminate()
            >>> group.started
            False
        """
        of_each(self._some(controllers), lambda member: member.terminate())

    @property
    def started(self) -> bool:
        """True while all members are running.

        Example::

            >>> import crew_core as crew
            >>> with crew.ControllerGroup(crew.controller("local")) as group:
            ...     print(group.started)
            True
        """
        return all(member.started for member in self.values())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.terminate()
