"""Records out of a group: ``pop`` and ``collect`` over members, in order of completion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from crew_core._controller import task_options
from crew_core._controller.complaints import ON_ERROR, OnError, complain
from crew_core._controller.controller import Controller
from crew_core._controller.group_pushing import GroupPushing
from crew_core._controller.harvest import Lot, tabulated
from crew_core._controller.modes import with_sessions
from crew_core._controller.streaming import pop_record
from crew_core._model.errors import TaskError
from crew_core._model.record import Record

if TYPE_CHECKING:
    import pandas as pd


class GroupTaking(GroupPushing):
    """The part of ``ControllerGroup`` that hands out records."""

    def pop(
        self,
        scale: bool = True,
        throttle: bool = True,
        error: OnError | None = None,
        controllers: str | Sequence[str] | None = None,
    ) -> Record | None:
        """The record of the task that ended first, whichever member it is of, or None.

        Does not wait. As the order is that of completion, no member waits for another's records.

        Args:
            scale: let this call launch workers for tasks that wait.
            throttle: let launches gather; False: look at once.
            error: when the task did not succeed, as in ``Controller.pop``.
            controllers: names of the members that are meant; None: all.

        Raises:
            KeyError: there is no such member.
            TaskError: with ``error="stop"``.
            DispatcherError, LaunchError: nothing is there to pop, and a member is in trouble.

        Example::

            >>> import crew_core as crew
            >>> a, b = crew.controller("local", name="a"), crew.controller("local", name="b")
            >>> with crew.ControllerGroup(a, b) as group:
            ...     _ = group.push(sum, ([1, 2],), controller="b")
            ...     _ = group.wait()
            ...     print(group.pop().result, group.pop())
            3 None
        """
        if error is not None:
            task_options.check_choice("error", error, ON_ERROR)
        members = self._some(controllers)
        record = pop_record(members)
        _check_and_scale(members, record is None, scale=scale, throttle=throttle)
        if record is not None and record.status != "success":
            complain([record], error)
        return record

    def collect(
        self,
        scale: bool = True,
        throttle: bool = True,
        error: OnError | None = None,
        controllers: str | Sequence[str] | None = None,
    ) -> pd.DataFrame | None:
        """All finished records of members as one table, in order of completion, or None.

        Does not wait. The arguments and errors are those of ``pop``. With ``error="stop"`` the
        table is in ``group.error`` when this raises.

        Example::

            >>> import crew_core as crew
            >>> a, b = crew.controller("local", name="a"), crew.controller("local", name="b")
            >>> with crew.ControllerGroup(a, b) as group:
            ...     tasks = [group.push(abs, (-1,), controller=name) for name in group]
            ...     _ = group.wait()
            ...     print(sorted(group.collect().controller))
            ['a', 'b']
        """
        if error is not None:
            task_options.check_choice("error", error, ON_ERROR)
        members = self._some(controllers)
        lots = [
            Lot(session, member._log_of, session.book.pop_all())
            for member, session in with_sessions(members)
        ]
        lots = [lot for lot in lots if lot.handles()]
        _check_and_scale(members, not lots, scale=scale, throttle=throttle)
        if not lots:
            return None
        table, failed = tabulated(lots)
        if failed:
            try:
                complain(failed, error)
            except TaskError:
                self._error = table
                raise
        return table


def _check_and_scale(
    members: Sequence[Controller], nothing: bool, *, scale: bool, throttle: bool
) -> None:
    running = with_sessions(members)
    if nothing:
        for _, session in running:
            session.check()
    for member, session in running:
        member._maybe_scale(session, scale=scale, throttle=throttle)
