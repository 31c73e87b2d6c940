"""The sheets of a book that are not spread, taken together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from crew_core._controller.sheet import Sheet
from crew_core._wire import messages


class Sheets:
    """A few sheets, most often one or none. Guarded by the book's lock."""

    def __init__(self) -> None:
        self._sheets: list[Sheet] = []

    def __bool__(self) -> bool:
        return bool(self._sheets)

    def __iter__(self) -> Iterator[Sheet]:
        return iter(tuple(self._sheets))

    def __contains__(self, sheet: object) -> bool:
        return sheet in self._sheets

    def add(self, sheet: Sheet) -> None:
        """One more."""
        self._sheets.append(sheet)

    def remove(self, sheet: Sheet) -> None:
        """It is spread, or gone."""
        self._sheets.remove(sheet)

    def clear(self) -> None:
        """All are gone."""
        self._sheets.clear()

    @property
    def size(self) -> int:
        """Tasks."""
        return sum(map(len, self._sheets))

    @property
    def left(self) -> int:
        """Tasks that have not ended."""
        return sum(sheet.left for sheet in self._sheets)

    @property
    def unfinished(self) -> list[int]:
        """The ids of those that have not ended."""
        return [task_id for sheet in self._sheets for task_id in sheet.unfinished()]

    def unfinished_of(self, names: Sequence[str]) -> list[int]:
        """The ids of those among these names."""
        return [task_id for sheet in self._sheets for task_id in sheet.unfinished_of(names)]

    def name_of_unfinished(self, task_id: int) -> str | None:
        """The name of a task that has not ended; None: there is no such task."""
        names = (sheet.name_of_unfinished(task_id) for sheet in self._sheets)
        return next(filter(None, names), None)

    def has_name(self, name: str) -> bool:
        """True when a task has it."""
        return any(name in sheet for sheet in self._sheets)

    def parted(self, ended: messages.Finished) -> list[tuple[Sheet | None, messages.Finished]]:
        """What of a message is for which sheet, and what for none."""
        parts: list[tuple[Sheet | None, messages.Finished]] = []
        for sheet in self._sheets:
            here = sheet.find(ended.ids)
            if len(here) == len(ended.ids):
                return [*parts, (sheet, ended)]
            if here:
                parts.append((sheet, ended.part(here)))
                ended = ended.part(sorted({*range(len(ended.ids))}.difference(here)))
        return [*parts, (None, ended)]
