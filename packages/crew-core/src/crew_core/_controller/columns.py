"""The table of many finished tasks, made column by column: no record is made for each.

What a cell holds is what the record would hold; ``records`` says how that follows from messages.
Imported only when a table is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from functools import lru_cache
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd

from crew_core._controller.ended import Ended, Origin, Unreadable
from crew_core._controller.tables import Streams, cells, numbers, objects, words
from crew_core._model.record import COLUMNS
from crew_core._model.states import Status
from crew_core._wire import messages, pickling

_SUCCESS = int(Status.SUCCESS)
_MICROSECOND = 1e-6
_AT_ONCE = 5000
_FIELDS = tuple(field for field in messages.OutcomeDetail.__struct_fields__ if field != "exception")
_CODES = {status.value: status.word for status in Status}


def table(ended: Ended) -> pd.DataFrame:
    """A row per finished task, in this order.

    Raises:
        Unreadable: only the tasks' records tell.
    """
    details = _details(ended.details)
    started = _moments(details["started_at"])
    columns: dict[str, Any] = {
        **_origins(ended.origins),
        "name": objects(ended.names),
        "command": words(ended.commands),
        "result": objects(_results(ended.statuses, details)),
        "status": words(list(map(_CODES.__getitem__, ended.statuses))),
        "error": words(details["error"]),
        "code": np.array(ended.statuses, dtype=np.int64),
        "trace": words(details["trace"]),
        "warnings": words(details["warnings"]),
        "seconds": numbers(ended.seconds),
        "seed": numbers(ended.seeds),
        "algorithm": words(ended.algorithms),
        "pid": numbers(details["pid"]),
        "attempts": np.array(ended.attempts, dtype=np.int64),
        "pushed_at": _dates(_moments(ended.pushed_at)),
        "started_at": _dates(started),
        "finished_at": _dates(started + _spans(ended.seconds)),
        "rss_peak": numbers(details["rss_peak"]),
        "cause": words(details["cause"]),
    }
    made = pd.DataFrame({column: columns[column] for column in COLUMNS})
    made.attrs["streams"] = Streams.of(ended.names, ended.roots, ended.streams)
    return made


def _details(encoded: Sequence[bytes]) -> dict[str, list[Any]]:
    """What only the client reads of outcomes, by field."""
    found: dict[str, list[Any]] = {field: [] for field in _FIELDS}
    for start in range(0, len(encoded), _AT_ONCE):  # few, so that they stay in the cache
        part = messages.decode_details(encoded[start : start + _AT_ONCE])
        for field, values in found.items():
            values.extend(map(attrgetter(field), part))
    return found


def _origins(origins: Sequence[Origin]) -> dict[str, Any]:
    """The columns that tell where tasks ran: looked up once for each place."""
    distinct = list(dict.fromkeys(origins))
    number = {origin: i for i, origin in enumerate(distinct)}
    rows = np.fromiter(map(number.__getitem__, origins), dtype=np.intp, count=len(origins))

    def each(field: str) -> list[Any]:
        return [getattr(origin, field) for origin in distinct]

    texts = ("controller", "launcher", "instance", "host", "job", "log")
    found: dict[str, Any] = {
        field: pd.Series(cells(each(field))[rows], dtype=object) for field in texts
    }
    return found | {"worker": numbers(each("worker"))[rows]}


def _results(statuses: Sequence[int], details: dict[str, list[Any]]) -> list[Any]:
    values: list[bytes | None] = details["value"]
    if any(statuses):
        pairs = zip(statuses, values, strict=True)
        values = [value if status == _SUCCESS else None for status, value in pairs]
    if any(details["beside"]):
        raise Unreadable
    try:
        return pickling.load_all(values)
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
