"""The bulk of ``map`` and ``walk``: one task for each element of the lists in ``iterate``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crew_core._controller.references import Pickled
from crew_core._controller.submission import check_name, pickle_arguments
from crew_core._model.errors import ConfigError
from crew_core._model.names import token
from crew_core._wire import messages, pickling


@dataclass(frozen=True)
class Elements:
    """What ``iterate`` and ``names`` come to.

    Attributes:
        keys: the names that change from task to task.
        rows: their values, a tuple for each task.
        names: the tasks' names.
    """

    keys: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    names: list[str]

    def data(self, index: int) -> dict[str, Any]:
        """The values of one task, by name."""
        return dict(zip(self.keys, self.rows[index], strict=True))


def elements(iterate: object, data: Mapping[str, Any], names: object) -> Elements:
    """Check and expand.

    Args:
        iterate: a dict of sequences, all of one length.
        data: what all tasks share; its names may not be in ``iterate`` too.
        names: a key of ``iterate``, a sequence of names, or None for made-up ones.

    Raises:
        ConfigError: lengths differ, nothing to iterate over, names that clash.
        TypeError: not a dict of sequences.
    """
    columns = _columns(iterate)
    lengths = {key: len(values) for key, values in columns.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{key}: {length}" for key, length in lengths.items())
        raise ConfigError(f"iterate: all lists must have one length, not {shown}")
    both = sorted(set(columns) & set(data))
    if both:
        raise ConfigError(f"iterate and data both give {', '.join(both)}: name each value once")
    rows = list(zip(*columns.values(), strict=True))
    return Elements(tuple(columns), rows, _names(names, columns, len(rows)))


def pickled(command: Callable[..., Any] | str, found: Elements) -> list[Pickled]:
    """What each of many tasks is called with, as bytes.

    Raises:
        SerializationError: something in them cannot be pickled; names it.
    """
    dumped = pickling.dump_rows(found.keys, found.rows)
    if dumped is None or max(map(len, dumped), default=0) > messages.PAYLOAD_MAX:
        return [pickle_arguments(command, (), found.data(i)) for i in range(len(found.rows))]
    return [Pickled(data) for data in dumped]


def _columns(iterate: object) -> dict[str, Sequence[Any]]:
    if not isinstance(iterate, Mapping):
        raise TypeError(
            f"iterate={iterate!r}: must be a dict of lists, not {type(iterate).__name__}"
        )
    if not iterate:
        raise ConfigError("iterate={}: there is nothing to iterate over")
    columns: dict[str, Sequence[Any]] = {}
    for key, values in iterate.items():
        if not isinstance(key, str):
            raise TypeError(f"iterate: the name {key!r} must be a string")
        if isinstance(values, (str, bytes, Mapping)) or not hasattr(values, "__iter__"):
            raise TypeError(f"iterate[{key!r}]: must be a list, not {type(values).__name__}")
        columns[key] = values if isinstance(values, (list, tuple)) else list(values)
    return columns


def _names(names: object, columns: Mapping[str, Sequence[Any]], count: int) -> list[str]:
    if names is None:
        stem = f"unnamed_task_{token(8)}"
        return [f"{stem}_{i}" for i in range(1, count + 1)]
    if isinstance(names, str):
        if names not in columns:
            raise ConfigError(f"names={names!r}: is no key of iterate ({', '.join(columns)})")
        given: Sequence[Any] = columns[names]
    elif hasattr(names, "__iter__") and not isinstance(names, (bytes, Mapping)):
        given = list(names)
    else:
        raise TypeError(f"names={names!r}: must be a key of iterate or a list of names")
    found = [check_name(str(name)) for name in given]
    if len(found) != count:
        raise ConfigError(f"names: {len(found)} names for {count} tasks")
    if len(set(found)) < count:
        double = next(name for i, name in enumerate(found) if name in found[:i])
        raise ConfigError(f"names: {double!r} is there twice; each task needs a name of its own")
    return found
