"""Finished tasks of one controller or several, in columns: what their table is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import msgspec

from crew_core._controller.handle import Task
from crew_core._controller.roster import Row
from crew_core._controller.sheet import Sheet


class Unreadable(Exception):  # noqa: N818 - no error: another way is to be taken
    """Some task's result cannot be unpickled, or its record is not made of its own messages."""


class Origin(msgspec.Struct, frozen=True, eq=False):
    """Where tasks ran; one for all that ran there. Named as the columns of a record."""

    controller: str
    launcher: str | None = None
    worker: int | None = None
    instance: str | None = None
    host: str | None = None
    job: str | None = None
    log: str | None = None


class Origins:
    """Makes the origins of one controller's tasks."""

    def __init__(
        self, controller: str, launcher: str, row_of: Callable[[str | None], Row | None]
    ) -> None:
        self._controller = controller
        self._launcher = launcher
        self._row_of = row_of

    def of(self, instances: Sequence[str | None]) -> list[Origin]:
        """Of tasks that ran there."""
        made = {instance: self._make(instance) for instance in set(instances)}
        return list(map(made.__getitem__, instances))

    def _make(self, instance: str | None) -> Origin:
        row = self._row_of(instance)
        if row is None:
            return Origin(self._controller, instance=instance)
        return Origin(
            self._controller, self._launcher, row.worker, instance, row.host, row.job, row.log
        )


class Ended(NamedTuple):
    """One list for each, all of one length and in one order."""

    ids: Sequence[int]
    names: Sequence[str]
    commands: Sequence[str | None]
    seeds: Sequence[int | None]
    algorithms: Sequence[str | None]
    roots: Sequence[int]  # of their random streams
    streams: Sequence[int]  # which of those that grow from the root
    pushed_at: Sequence[float]
    origins: Sequence[Origin]
    statuses: Sequence[int]
    seconds: Sequence[float | None]
    attempts: Sequence[int]
    details: Sequence[bytes]


def of_sheet(sheet: Sheet, root: int, origins: Origins) -> Ended:
    """All tasks of a sheet, which have all ended before it was spread, if it ever was."""
    count = len(sheet)
    return Ended(
        ids=sheet.ids,
        names=sheet.names,
        commands=[sheet.command] * count,
        seeds=[None] * count if sheet.seeds is None else sheet.seeds,
        algorithms=[sheet.algorithm] * count,
        roots=[root] * count,
        streams=sheet.ids,
        pushed_at=[sheet.pushed_at] * count,
        origins=origins.of(sheet.instances),
        statuses=sheet.statuses,
        seconds=sheet.seconds,
        attempts=sheet.attempts,
        details=[detail for detail in sheet.details if detail is not None],
    )


def of_handles(handles: Sequence[Task[Any]], root: int, origins: Origins) -> Ended:
    """Finished tasks.

    Raises:
        Unreadable: only their records tell.
    """
    finished = [handle._finished for handle in handles if handle.lent is None]
    ends = [one for one in finished if one is not None]
    if len(ends) < len(handles):
        raise Unreadable
    return Ended(
        ids=[handle.id for handle in handles],
        names=[handle._name for handle in handles],
        commands=[handle.command for handle in handles],
        seeds=[handle.seed for handle in handles],
        algorithms=[handle.algorithm for handle in handles],
        roots=[root if handle.stream is None else handle.stream[0] for handle in handles],
        streams=[handle.id if handle.stream is None else handle.stream[1] for handle in handles],
        pushed_at=[handle.pushed_at for handle in handles],
        origins=origins.of([handle._instance for handle in handles]),
        statuses=[one.status for one in ends],
        seconds=[one.seconds for one in ends],
        attempts=[one.attempts for one in ends],
        details=[one.detail for one in ends],
    )


def joined(parts: Sequence[Ended], places: Sequence[int]) -> Ended:
    """Tasks of several controllers as one, in the order of these numbers, one for each task."""
    order = sorted(range(len(places)), key=places.__getitem__)
    together = (list(chain.from_iterable(columns)) for columns in zip(*parts, strict=True))
    return Ended(*([column[i] for i in order] for column in together))
