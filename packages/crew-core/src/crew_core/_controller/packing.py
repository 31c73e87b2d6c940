"""What tasks are called with, and what is put, as bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from crew_core._controller import references
from crew_core._controller.references import Pickled
from crew_core._model.errors import ConfigError, SerializationError
from crew_core._wire import messages, pickling

_MAPPED_BYTES = 4 << 20  # of data that tasks share: to copy them for each takes longer than to map


def pickle_arguments(
    command: Callable[..., Any] | str, args: Sequence[Any], data: dict[str, Any]
) -> Pickled:
    """What one task is called with, as bytes.

    Raises:
        ConfigError: positional arguments for text.
        SerializationError: something in them cannot be pickled; names it.
    """
    if type(args) is not tuple and (
        isinstance(args, (str, bytes, Mapping)) or not hasattr(args, "__iter__")
    ):
        raise TypeError(f"args={args!r}: must be a tuple or list of positional arguments")
    positional = tuple(args)
    if positional and isinstance(command, str):
        raise ConfigError("args: text takes no positional arguments; give values by name in data")
    if (plain := pickling.dump_plain(positional, data)) is not None:
        check_size(len(plain), "args and data")
        return Pickled(plain)
    return _packed(lambda large: pickling.dump_arguments(positional, data, large), "args and data")


def pickle_shared(data: Mapping[str, Any], put: Callable[[Pickled], Pickled | None]) -> Pickled:
    """Pickle what all tasks of a command share.

    Args:
        data: by name.
        put: is given the pickle if it is worth it, and gives one that refers to it; None:
            tasks would not find them.

    Raises:
        SerializationError: it cannot be pickled, or is too large.
    """
    large: pickling.Beside = []
    pickled = references.pickled(lambda: pickling.dump_shared(data, large))
    if not large:
        return pickled
    found = None
    if sum(buffer.nbytes for buffer in large) >= _MAPPED_BYTES:
        found = put(pickled._replace(beside=large))
    return found or references.pickled(lambda: pickling.dump_shared(data))


def pickle_anew(reference: references.Reference[Any]) -> Pickled:
    """Pickle a reference to what each task is to have for itself."""
    return references.pickled(lambda: pickling.dump(references.Anew(reference), "data"))


def pickle_object(obj: object) -> Pickled:
    """What is put, as bytes.

    Raises:
        SerializationError: it cannot be pickled, or is too large.
    """
    return _packed(lambda large: pickling.dump(obj, "the object", large), "the object")


def _packed(dump: Callable[[pickling.Beside], bytes], what: str) -> Pickled:
    large: pickling.Beside = []
    pickled = references.pickled(lambda: dump(large))
    check_size(len(pickled.data), what)
    return pickled._replace(beside=large) if large else pickled


def check_size(size: int, what: str) -> None:
    """Refuse what is too large for a message."""
    if size > messages.PAYLOAD_MAX:
        raise SerializationError(
            f"{what} came to {size} bytes, and at most {messages.PAYLOAD_MAX} can be sent at once. "
            "Write large data to a file and pass the file's name, or put it in parts."
        )
