"""Tasks as rows of a table: one column for each field."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from crew_core import ConfigError
from crew_rush._model.facts import Task
from crew_rush._tasks.values import Values

if TYPE_CHECKING:
    import pandas as pd

MAPPINGS = ("xs", "xs_extra", "ys", "ys_extra")
"""Fields that are mappings: each of their names is a column."""

FIELDS = (*MAPPINGS, "worker_id", "condition")
"""All that can be asked for. The key is always there."""


def check_fields(fields: Sequence[str] | None) -> tuple[str, ...]:
    """The fields that are meant.

    Raises:
        ConfigError: there is no such field.
    """
    if fields is None:
        return FIELDS
    if isinstance(fields, str):
        raise ConfigError(f"fields={fields!r}: must be a list of names, such as [{fields!r}]")
    for field in fields:
        if field not in FIELDS:
            raise ConfigError(f"fields: there is no {field!r}. Valid: {', '.join(FIELDS)}")
    return tuple(fields)


def row(
    task: Task, values: Values, fields: Sequence[str], *, state: bool = False
) -> dict[str, Any]:
    """A task as columns and values."""
    found: dict[str, Any] = {"key": task.key}
    if state:
        found["state"] = task.state
    for field in fields:
        if field == "worker_id":
            found["worker_id"] = task.worker_id or None
        elif field in task.fields:
            value = values.decode(task.fields[field])
            found.update(value if field in MAPPINGS else {field: value})
    return found


def table(rows: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table; a cell that a row does not have is missing."""
    import pandas as pd

    listed = list(rows)
    names = dict.fromkeys(name for found in listed for name in found) or {"key": None}
    # By column and as they are: what a cell holds may be a list or an array itself.
    return pd.DataFrame({name: _column([found.get(name) for found in listed]) for name in names})


def _column(cells: list[Any]) -> Any:
    import pandas as pd

    if not any(map(_has_parts, cells)):
        return pd.Series(cells)
    column = pd.Series([None] * len(cells), dtype=object)
    for index, cell in enumerate(cells):
        column.iat[index] = cell
    return column


def _has_parts(cell: object) -> bool:
    """True for what pandas might take for several cells."""
    return isinstance(cell, list | tuple | dict | set) or bool(getattr(cell, "ndim", 0))
