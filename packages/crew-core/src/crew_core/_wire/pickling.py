"""Objects to bytes and back: the one place that knows pickle and cloudpickle.

``pickle`` does nearly everything, in C. It stores functions and classes by their address (module
and name), which is of no use to another process when the module cannot be imported there:
``__main__``, a notebook, a test module, a module made on the fly. Those are stored *by value*, by
cloudpickle. To find out without looking at each object, the finished pickle is searched for the
names of such modules; a false alarm only costs time.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from crew_core._model.errors import SerializationError
from crew_core._wire import foreign_modules
from crew_core._wire.unpicklable import find_culprit

_PROTOCOL = 5
_ROWS_AT_ONCE = 256  # to join them copies them

_ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})  # they mention nothing

_pickle = pickle.dumps
_unpickle = pickle.loads


def dump_command(function: Callable[..., Any]) -> bytes:
    """A task's function as bytes: its address where it has one elsewhere too, else by value.

    Raises:
        SerializationError: when it cannot be pickled; names what is at fault.
    """
    return dump(function, "the task's function")


def dump_arguments(args: tuple[Any, ...], data: dict[str, Any]) -> bytes:
    """A task's arguments as bytes, for ``load`` to give ``(args, data)`` back.

    Raises:
        SerializationError: when one cannot be pickled; names it and what in it is at fault.
    """
    try:
        found = _dump((args, data))
    except Exception as error:  # noqa: BLE001  (pickling runs the objects' own code)
        for number, argument in enumerate(args, start=1):
            dump(argument, f"argument {number}")
        for name, argument in data.items():
            dump(argument, f"data[{name!r}]")
        _refuse((args, data), "the arguments", error)
    return found


def dump_rows(keys: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> list[bytes] | None:
    """The arguments of many tasks, as ``dump_arguments`` makes those of one, but in less time.

    Args:
        keys: the names of each task's data.
        rows: their values, a tuple for each task.

    Returns:
        None when only ``dump_arguments`` will do for some of them.
    """
    dumped: list[bytes] = []
    try:
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            part = rows[start : start + _ROWS_AT_ONCE]
            found = [_pickle(((), dict(zip(keys, row, strict=True))), _PROTOCOL) for row in part]
            if foreign_modules.mentioned_in(b"".join(found)):
                return None
            dumped += found
    except Exception:  # noqa: BLE001  (pickling runs the objects' own code)
        return None
    return dumped


def dump(obj: object, what: str) -> bytes:
    """Any object as bytes.

    Args:
        obj: the object.
        what: what to call it in an error, such as "the result".

    Raises:
        SerializationError: when it cannot be pickled; names the object and where in it the
            trouble is.
    """
    try:
        return _dump(obj)
    except Exception as error:  # noqa: BLE001  (pickling runs the objects' own code)
        _refuse(obj, what, error)


def load(data: bytes | memoryview, what: str = "an object") -> Any:
    """The object that was dumped.

    Args:
        data: what ``dump`` and the like gave.
        what: what to call it in an error, such as "the task's function".

    Raises:
        SerializationError: when it cannot be made here, for whatever reason.
    """
    try:
        return _unpickle(data)
    except (Exception, SystemExit) as error:  # unpickling runs the objects' own code
        raise SerializationError(
            f"{what} could not be loaded here: {type(error).__name__}: {error}. "
            "Does this process have the same packages, in the same versions, as the other?"
        ) from error


def load_all(pickled: Iterable[bytes | None]) -> list[Any]:
    """The objects that were dumped; None stays None.

    Raises:
        Exception: whatever comes up for the first that cannot be made here.
    """
    return [None if data is None else _unpickle(data) for data in pickled]


def _dump(obj: object) -> bytes:
    try:
        data = _pickle(obj, _PROTOCOL)
    except Exception:  # noqa: BLE001  (whatever pickle cannot do, cloudpickle may)
        return _dump_by_value(obj)
    if type(obj) in _ATOMS or not foreign_modules.mentioned_in(data):
        return data
    return _dump_by_value(obj)


def _dump_by_value(obj: object) -> bytes:
    import cloudpickle  # type: ignore[import-untyped]  # here, as most never need it

    with foreign_modules.shipped_by_value():
        return bytes(cloudpickle.dumps(obj, protocol=_PROTOCOL))


def _fault(obj: object) -> Exception | None:
    try:
        _dump(obj)
    except Exception as error:  # noqa: BLE001  (as in dump)
        return error
    return None


def _refuse(obj: object, what: str, error: Exception) -> NoReturn:
    path, culprit, cause = find_culprit(obj, error, _fault)
    kind = type(culprit)
    name = kind.__qualname__ if kind.__module__ == "builtins" else _full_name(kind)
    raise SerializationError(
        f"{', '.join(filter(None, (what, path.strip())))}: a {name} object cannot be pickled "
        f"({type(cause).__name__}: {cause}). "
        "Leave it out, or make it inside the task from something that can."
    ) from error


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
