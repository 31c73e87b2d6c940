"""Finished tasks become a table: in columns, or record by record where only records tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from crew_core._controller.ended import Ended, Unreadable, joined
from crew_core._controller.handle import Task
from crew_core._controller.logs import LogIndex
from crew_core._controller.sheet import Sheet
from crew_core._model.record import Record

if TYPE_CHECKING:
    import pandas as pd

    from crew_core._controller.session import Session


class Lot(msgspec.Struct, frozen=True):
    """Finished tasks of one controller, in the order in which they are to be shown.

    Attributes:
        session: whose.
        index: where their logs are noted.
        tasks: all of a sheet, or handles.
    """

    session: Session
    index: LogIndex
    tasks: Sheet | Sequence[Task[Any]]

    def handles(self) -> Sequence[Task[Any]]:
        """Of all."""
        return self.session.book.spread(self.tasks) if isinstance(self.tasks, Sheet) else self.tasks

    def ended(self) -> Ended:
        """In columns.

        Raises:
            Unreadable: only their records tell.
        """
        # The columns of a sheet that was spread before they were full stay as they were.
        spread = isinstance(self.tasks, Sheet) and self.tasks.left
        return self.session.records.ended(self.handles() if spread else self.tasks)

    def record(self, at: int) -> Record:
        """Of one of them."""
        if isinstance(self.tasks, Sheet) and self.tasks.handles is None:
            return self.tasks.handle(self.session.book, at)._settled_record()
        return self.handles()[at]._settled_record()


def tabulated(lots: Sequence[Lot]) -> tuple[pd.DataFrame, list[Record]]:
    """A row for each task, and the records of those that did not succeed.

    Args:
        lots: one, or several with handles, which are then put in the order of completion.
    """
    try:
        return _by_columns(lots)
    except Unreadable:
        return _by_records(lots)


def _by_columns(lots: Sequence[Lot]) -> tuple[pd.DataFrame, list[Record]]:
    from crew_core._controller.columns import table

    parts = [lot.ended() for lot in lots]
    ended = parts[0] if len(parts) == 1 else joined(parts, _places(lots))
    made = table(ended)
    lot_of = {lot.session.options.name: lot for lot in lots}
    for at in made["warnings"].notna().to_numpy().nonzero()[0].tolist():
        origin = ended.origins[at]
        records = lot_of[origin.controller].session.records
        records.note_warned(origin.instance, ended.ids[at])
    for lot, part in zip(lots, parts, strict=True):
        lot.index.add_all(part.names, part.origins)
    failed = [
        lot.record(at)
        for lot, part in zip(lots, parts, strict=True)
        if any(part.statuses)
        for at, status in enumerate(part.statuses)
        if status
    ]
    return made, failed


def _by_records(lots: Sequence[Lot]) -> tuple[pd.DataFrame, list[Record]]:
    from crew_core._controller.tables import records_table

    records = [handle._settled_record() for lot in lots for handle in lot.handles()]
    if len(lots) > 1:
        places = _places(lots)
        records = [records[i] for i in sorted(range(len(places)), key=places.__getitem__)]
    for lot in lots:
        for handle in lot.handles():
            lot.index.add(handle._settled_record())
    return records_table(records), [record for record in records if record.status != "success"]


def _places(lots: Sequence[Lot]) -> list[int]:
    return [handle.ended_as for lot in lots for handle in lot.handles()]
