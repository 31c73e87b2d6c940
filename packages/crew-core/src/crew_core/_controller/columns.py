"""The table of many finished tasks, made column by column: no record is made for each.

What a cell holds is what the record would hold; ``records`` says how that follows from messages.
Imported only when a table is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from crew_core._controller.handle import Task
from crew_core._controller.roster import Row
from crew_core._controller.tables import Streams, numbers, objects
from crew_core._model.record import COLUMNS
from crew_core._model.states import Status
from crew_core._wire import messages, pickling

_SUCCESS = int(Status.SUCCESS)
_MICROSECOND = 1e-6
_CODES = {status.value: status.word for status in Status}


class Unreadable(Exception):  # noqa: N818 - no error: another way is to be taken
    """Some task's result cannot be unpickled, or its record is not made of its own messages."""


def table(
    handles: Sequence[Task[Any]],
    *,
    controller: str,
    launcher: str,
    root: int,
    row_of: Callable[[str | None], Row | None],
) -> pd.DataFrame:
    """A row per finished task, in this order.

    Raises:
        Unreadable: only the tasks' records tell.
    """
    finished = [_finished(handle) for handle in handles]
    details = messages.decode_details([one.detail for one in finished])
    results = _results(finished, details)
    row_of = lru_cache(row_of)
    rows = [row_of(handle._instance) for handle in handles]
    started = _moments([detail.started_at for detail in details])
    seconds = [one.seconds for one in finished]
    columns: dict[str, Any] = {
        "name": objects([handle._name for handle in handles]),
        "command": objects([handle.command for handle in handles]),
        "result": objects(results),
        "status": objects([_CODES[one.status] for one in finished]),
        "error": objects([detail.error for detail in details]),
        "code": np.array([one.status for one in finished], dtype=np.int64),
        "trace": objects([detail.trace for detail in details]),
        "warnings": objects([detail.warnings for detail in details]),
        "seconds": numbers(seconds),
        "seed": numbers([handle.seed for handle in handles]),
        "algorithm": objects([handle.algorithm for handle in handles]),
        "controller": objects([controller] * len(handles)),
        "launcher": objects([None if row is None else launcher for row in rows]),
        "worker": numbers([None if row is None else row.worker for row in rows]),
        "instance": objects([handle._instance for handle in handles]),
        "host": objects([None if row is None else row.host for row in rows]),
        "pid": numbers([detail.pid for detail in details]),
        "job": objects([None if row is None else row.job for row in rows]),
        "attempts": np.array([one.attempts for one in finished], dtype=np.int64),
        "pushed_at": _dates(_moments([handle.pushed_at for handle in handles])),
        "started_at": _dates(started),
        "finished_at": _dates(started + _spans(seconds)),
        "rss_peak": numbers([detail.rss_peak for detail in details]),
        "log": objects([None if row is None else row.log for row in rows]),
        "cause": objects([detail.cause for detail in details]),
    }
    made = pd.DataFrame({column: columns[column] for column in COLUMNS})
    made.attrs["streams"] = Streams((h._name, h.stream or (root, h.id)) for h in handles)
    return made


def _finished(handle: Task[Any]) -> messages.FinishedTask:
    if handle._finished is None or handle.lent is not None:
        raise Unreadable
    return handle._finished


def _results(
    finished: Sequence[messages.FinishedTask], details: Sequence[messages.OutcomeDetail]
) -> list[Any]:
    pickled = [
        detail.value if one.status == _SUCCESS else None
        for one, detail in zip(finished, details, strict=True)
    ]
    if any(detail.beside is not None for detail in details):
        raise Unreadable
    try:
        return pickling.load_all(pickled)
    except Exception as error:  # unpickling runs the results' own code
        raise Unreadable from error


def _moments(times: Sequence[float | None]) -> Any:
    """Seconds since 1970 as NumPy's microseconds, rounded as ``datetime.fromtimestamp`` does."""
    return _to_microseconds(times).view("datetime64[us]")


def _spans(seconds: Sequence[float | None]) -> Any:
    return _to_microseconds(seconds).view("timedelta64[us]")


def _to_microseconds(seconds: Sequence[float | None]) -> Any:
    given = np.array(seconds, dtype=float)  # None becomes NaN
    absent = np.isnan(given)
    whole = np.floor(np.where(absent, 0.0, given))
    rest = np.round((np.where(absent, 0.0, given) - whole) / _MICROSECOND)
    counted = (whole * 1_000_000 + rest).astype(np.int64)
    counted[absent] = np.iinfo(np.int64).min  # NumPy's "not a time"
    return counted


def _dates(moments: Any) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(moments, tz="UTC").as_unit(_unit())


@lru_cache(maxsize=1)
def _unit() -> Any:
    """The unit in which this pandas keeps times of day."""
    return pd.to_datetime([datetime(2000, 1, 1, tzinfo=timezone.utc)], utc=True).unit
