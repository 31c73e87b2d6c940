"""Records and counters as pandas tables. Imported only when a table is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from crew_core._controller.roster import Row
from crew_core._launcher.base import SUMMARY_COLUMNS
from crew_core._model.record import COLUMNS, Record
from crew_core._wire import messages

_TIMES = ("pushed_at", "started_at", "finished_at")
_STATUSES = ("success", "error", "crash", "cancel", "timeout")

CONTROLLER_SUMMARY_COLUMNS = ("controller", "worker", "tasks", "seconds", *_STATUSES, "warnings")
"""The columns of ``controller.summary()``."""


class Streams(dict[int, dict[str, int]]):
    """Random streams by root and task: an attribute of a table.

    pandas copies a table's attributes, deeply, for each column that is looked at.
    """

    @classmethod
    def of(cls, names: Sequence[str], roots: Sequence[int], streams: Sequence[int]) -> Streams:
        """Of these tasks."""
        if roots and roots.count(roots[0]) == len(roots):
            return cls({roots[0]: dict(zip(names, streams, strict=True))})
        found = cls()
        for name, root, stream in zip(names, roots, streams, strict=True):
            found.setdefault(root, {})[name] = stream
        return found

    def __deepcopy__(self, memo: object) -> Streams:
        return self


def records_table(records: Sequence[Record]) -> pd.DataFrame:
    """A row per record. Absent numbers are NaN, absent times NaT, everything else None."""
    table = pd.DataFrame({column: _column(column, records) for column in COLUMNS})
    known = [(r.name, *r.stream) for r in records if r.stream is not None]
    table.attrs["streams"] = Streams.of(*(zip(*known, strict=True) if known else ((), (), ())))
    return table


def controller_summary(
    controller: str,
    slots: Sequence[int],
    worker_of: Mapping[str, int],
    statistics: Mapping[tuple[str | None, str], Sequence[float]],
    warnings: Mapping[str | None, int],
) -> pd.DataFrame:
    """A row per worker, and one without a number for tasks that never reached a worker."""
    rows: dict[int | None, dict[str, Any]] = {slot: _empty_row(controller, slot) for slot in slots}
    for (instance, status), (tasks, seconds) in statistics.items():
        slot = None if instance is None else worker_of.get(instance)
        row = rows.setdefault(slot, _empty_row(controller, slot))
        row["tasks"] += int(tasks)
        row["seconds"] += seconds
        row[status] += int(tasks)
    for instance, count in warnings.items():
        slot = None if instance is None else worker_of.get(instance)
        rows.setdefault(slot, _empty_row(controller, slot))["warnings"] += count
    ordered = sorted(rows.values(), key=lambda r: (r["worker"] is None, r["worker"] or 0))
    table = pd.DataFrame(ordered, columns=list(CONTROLLER_SUMMARY_COLUMNS))
    return table.astype({"worker": "Int64"})


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables with the same columns, one below the other."""
    # Columns of empty tables have no type worth keeping.
    full = [table for table in tables if len(table)]
    return pd.concat(full, ignore_index=True) if full else tables[0]


def launcher_summary(
    latest: Sequence[tuple[int, int, Row]],
    worker_of: Mapping[str, int],
    inspection: messages.Inspection | None,
) -> pd.DataFrame:
    """A row per slot used so far."""
    tasks: dict[int, tuple[int, int]] = {}
    for seen in [] if inspection is None else inspection.workers:
        slot = worker_of[seen.instance]
        assigned, complete = tasks.get(slot, (0, 0))
        tasks[slot] = (assigned + seen.assigned, complete + seen.complete)
    rows = []
    for worker, launches, row in latest:
        assigned, complete = tasks.get(worker, (0, 0))
        rows.append(
            {
                "worker": worker,
                "launches": launches,
                "online": row.state.value in ("online", "draining"),
                "discovered": row.discovered,
                "assigned": assigned,
                "complete": complete,
                "state": row.state.value,
                "instance": row.instance,
                "job": row.job,
                "host": row.host,
            }
        )
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))


def with_hours(
    table: pd.DataFrame,
    latest: Sequence[tuple[int, int, Row]],
    seconds_used: Callable[[int], float],
) -> pd.DataFrame:
    """The launcher's table with what each slot has used, and why its latest worker has ended."""
    hours = [seconds_used(worker) / 3600 for worker, _, _ in latest]
    reasons: list[Any] = [row.reason or None for _, _, row in latest]
    return table.assign(hours=hours, reason=reasons)


def _column(column: str, records: Sequence[Record]) -> Any:
    values = [getattr(record, column) for record in records]
    if column in _TIMES:
        return pd.to_datetime(values, utc=True)
    if column in ("seconds", "worker", "pid", "rss_peak", "seed"):
        return numbers(values)
    if column in ("code", "attempts"):
        return np.array(values, dtype=np.int64)
    return objects(values)


def objects(values: Sequence[Any]) -> pd.Series[Any]:
    """A column with one object per cell, lists and arrays too: NumPy must not look into them."""
    return pd.Series(cells(values), dtype=object)


def cells(values: Sequence[Any]) -> Any:
    """An array of objects, not looked into."""
    return np.fromiter(values, dtype=object, count=len(values))


def words(values: Sequence[str | None]) -> pd.Series[Any]:
    """As ``objects``, for text, which is often the same in all rows."""
    if values and values.count(values[0]) == len(values):
        return pd.Series(np.full(len(values), values[0], dtype=object), dtype=object)
    return objects(values)


def numbers(values: Sequence[Any]) -> Any:
    """A column of numbers, with NaN for None."""
    if None in values:
        if values.count(None) == len(values):
            return np.full(len(values), np.nan)
        if any(isinstance(value, int) and abs(value) >= 1 << 53 for value in values):
            return pd.Series(values, dtype=object)  # a float would change such a seed
        return np.array(values, dtype=float)  # None becomes NaN
    return np.array(values)


def _empty_row(controller: str, slot: int | None) -> dict[str, Any]:
    counts = dict.fromkeys(_STATUSES, 0)
    return {
        "controller": controller,
        "worker": slot,
        "tasks": 0,
        "seconds": 0.0,
        **counts,
        "warnings": 0,
    }
