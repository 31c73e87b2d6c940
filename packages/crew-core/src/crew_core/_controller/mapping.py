"""The bulk of ``map`` and ``walk``: one task for each element of the lists in ``iterate``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from crew_core._controller.packing import pickle_arguments
from crew_core._controller.references import Pickled, Reference
from crew_core._controller.task_options import check_name
from crew_core._model.errors import ConfigError
from crew_core._model.names import token
from crew_core._wire import messages, pickling


class Elements(msgspec.Struct, frozen=True):
    """What ``iterate`` and ``names`` come to.

    Attributes:
        shared: what all tasks have alike, by name.
        columns: what changes from task to task, by name: a value for each task.
        names: the tasks' names, all distinct.
    """

    shared: dict[str, Any]
    columns: dict[str, Sequence[Any]]
    names: list[str]

    @property
    def keys(self) -> tuple[str, ...]:
        """The names that change from task to task."""
        return tuple(self.columns)


class Arguments(NamedTuple):
    """What each of many tasks is called with, pickled.

    Attributes:
        data: of tasks that mention nothing that was put; otherwise empty.
        each: of all others; otherwise empty.
    """

    data: Sequence[bytes] = ()
    each: Sequence[Pickled] = ()

    @property
    def references(self) -> Iterator[Reference[Any]]:
        """All that they mention."""
        return (reference for pickled in self.each for reference in pickled.references)


def elements(iterate: object, shared: dict[str, Any], names: object) -> Elements:
    """Check and expand.

    Args:
        iterate: a dict of sequences, all of one length.
        shared: what all tasks have alike; its names may not be in ``iterate`` too.
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
    both = sorted(set(columns) & set(shared))
    if both:
        raise ConfigError(f"iterate and data both give {', '.join(both)}: name each value once")
    count = next(iter(lengths.values()))
    return Elements(shared, columns, _names(names, columns, count))


def pickled(command: Callable[..., Any] | str, found: Elements) -> Arguments:
    """What each of many tasks is called with, as bytes.

    Raises:
        SerializationError: something in them cannot be pickled; names it.
    """
    dumped = pickling.dump_rows(found.columns)
    if dumped is None or max(map(len, dumped), default=0) > messages.PAYLOAD_MAX:
        rows = pickling.as_rows(found.columns)
        return Arguments(each=[pickle_arguments(command, (), row) for row in rows])
    return Arguments(dumped)


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
