"""Finished tasks that were fetched already: they never change, so that each is fetched once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crew_rush._tasks.frames import FIELDS, MAPPINGS, table
from crew_rush._tasks.values import Values

if TYPE_CHECKING:
    import pandas as pd

    from crew_rush._model.facts import Task
    from crew_rush._store.base import Store


class FinishedTasks:
    """What has been fetched of a network's finished tasks.

    Args:
        store: the network's.
        values: decodes.
    """

    def __init__(self, store: Store, values: Values) -> None:
        self._store = store
        self._values = values
        self.forget()

    def forget(self) -> None:
        """Fetch all anew next time."""
        self._era = ""
        self._frame: pd.DataFrame | None = None
        self._columns = {"worker_id": "worker_id"}  # and the field that each comes from
        self._told = 0

    def fetch(self, fields: Sequence[str]) -> pd.DataFrame:
        """All, in the order in which they were finished."""
        self._update()
        return self._select(0, fields)

    def fetch_new(self, fields: Sequence[str]) -> pd.DataFrame:
        """Those that no earlier call has told of."""
        self._update()
        new = self._select(self._told, fields)
        self._told += len(new)
        return new

    def _update(self) -> None:
        known = 0 if self._frame is None else len(self._frame)
        era, tasks = self._store.read_finished(self._era, known)
        if era != self._era:
            self.forget()
            self._era = era
        if not tasks and self._frame is not None:
            return
        import pandas as pd

        rows = [self._row(task) for task in tasks]
        more = table(rows)
        if self._frame is None or self._frame.empty:
            self._frame = more
        elif rows:
            self._frame = pd.concat([self._frame, more], ignore_index=True)

    def _select(self, start: int, fields: Sequence[str]) -> pd.DataFrame:
        assert self._frame is not None
        there = {c: f for c, f in self._columns.items() if c in self._frame.columns}
        wanted = ["key", *(c for f in FIELDS if f in fields for c in there if there[c] == f)]
        # A copy: what the caller does to it is not to show in the next.
        return self._frame.iloc[start:][wanted].reset_index(drop=True).copy()

    def _row(self, task: Task) -> dict[str, Any]:
        """As ``frames.row``, and notes which columns there are."""
        found: dict[str, Any] = {"key": task.key, "worker_id": task.worker_id or None}
        for field, encoded in task.fields.items():
            value = self._values.decode(encoded)
            if field not in MAPPINGS:
                found[field] = value
                self._columns[field] = field
                continue
            found.update(value)
            if not self._columns.keys() >= value.keys():
                self._columns.update(dict.fromkeys(value, field))
        return found
