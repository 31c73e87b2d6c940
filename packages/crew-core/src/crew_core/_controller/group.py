"""A group: several controllers, such as one per kind of worker, behind one interface."""

from __future__ import annotations

from crew_core._controller.group_questions import GroupQuestions
from crew_core._controller.group_sharing import GroupSharing
from crew_core._controller.group_streaming import GroupStreaming
from crew_core._controller.group_workers import GroupWorkers


class ControllerGroup(GroupStreaming, GroupSharing, GroupWorkers, GroupQuestions):
    """Several controllers that are used as one: a mapping of them by name, with their methods.

    Tasks go in through one member: ``push``, ``walk``, ``map``, ``executor``, ``put`` and
    ``push_backlog`` take its name as ``controller=``, and mean the first member without it.
    Everything else is about all members, or about those whose names are given as ``controllers=``.
    Members can be used by themselves too: ``group["name"]`` is the controller.

    Args:
        controllers: the members, in their order; started or not.

    Raises:
        ConfigError: no controller, the same one twice, or two of one name.
        TypeError: something is not a controller; a group is none.

    Example::

        >>> import crew_core as crew
        >>> cpu, gpu = crew.controller("local", name="cpu"), crew.controller("local", name="gpu")
        >>> with crew.ControllerGroup(cpu, gpu) as group:
        ...     task = group.push(sum, ([1, 2],), controller="gpu")
        ...     _ = group.wait()
        ...     print(group.pop().controller)
        gpu

    What a controller tells of itself, a group tells of all its members::

        >>> group.size, group.empty, group.nonempty, group.saturated
        (0, True, False, False)
        >>> group.pushed, group.resolved, group.unresolved, group.popped
        (0, 0, 0, 0)
    """

    def __repr__(self) -> str:
        return f"<crew group of {', '.join(map(repr, self))}: {self.size} tasks>"

    def _repr_html_(self) -> str:
        """What a notebook shows: a row for each member. Starts none."""
        from crew_core._model import html

        columns = ("launcher", "state", "workers", "tasks")
        found = [(name, member._facts()) for name, member in self.items()]
        rows = [(name, *(facts.get(column, "") for column in columns)) for name, facts in found]
        return html.grid("crew group", ("name", *columns), rows)
