"""Objects to bytes and back: the one place that knows pickle and cloudpickle.

``pickle`` does nearly everything, in C. It stores functions and classes by their address (module
and name), which is of no use to another process when the module cannot be imported there:
``__main__``, a notebook, a test module, a module made on the fly. Those are stored *by value*, by
cloudpickle. To find out without looking at each object, the finished pickle is searched for the
names of such modules; a false alarm only costs time.

Arguments that are nothing but numbers and text go as MessagePack, which takes a third of the time.

Large buffers, such as a NumPy array's, need not go into the pickle: whoever has a way for them that
spares copies gets them as they are, and gives them, or copies, to ``load``.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NoReturn

from crew_core._model.errors import SerializationError
from crew_core._wire import codec, foreign_modules
from crew_core._wire.unpicklable import find_culprit

BESIDE_BYTES = 1 << 17
"""Buffers from this size on go beside the pickle, when they may."""

_PROTOCOL = 5
_SHORT_BYTES = 64  # what is short and there so often, in the mean, is not unpickled each time
_REPEATED = 4
_ROWS_AT_ONCE = 256  # to join them copies them

Beside = list[memoryview]
"""Where ``dump`` puts large buffers: C-contiguous bytes, as they are in the object."""

_ATOMS = frozenset({type(None), bool, int, float, complex, str, bytes})  # they mention nothing
_SMALL = _ATOMS - {bytes}  # and have no buffers
_PLAIN = _SMALL - {complex}  # and MessagePack has them, too

_encode = codec.encode
_decode_plain: codec.Decoder[tuple[list[Any], dict[str, Any]]] = codec.Decoder(
    tuple[list[Any], dict[str, Any]]
)
_PLAIN_MARK = 0x92  # with which MessagePack begins an array of two; no pickle does
_NOT_ENCODED = (OverflowError, UnicodeEncodeError)  # a number of over 64 bits; half a character

_pickle = pickle.dumps
_unpickle = pickle.loads

NONE = _pickle(None, _PROTOCOL)
"""None as bytes."""


def dump_command(function: Callable[..., Any]) -> bytes:
    """A task's function as bytes: its address where it has one elsewhere too, else by value.

    Raises:
        SerializationError: when it cannot be pickled; names what is at fault.
    """
    return dump(function, "the task's function")


def dump_arguments(
    args: tuple[Any, ...], data: dict[str, Any], beside: Beside | None = None
) -> bytes:
    """A task's arguments as bytes, for ``load_arguments``.

    Args:
        args: by position.
        data: by name.
        beside: gets the large buffers; None: they are to be in the bytes.

    Raises:
        SerializationError: when one cannot be pickled; names it and what in it is at fault.
    """
    try:
        if beside is None or (_are_small(args) and (not data or _are_small(data.values()))):
            return _dump((args, data))
        lifted = tuple(map(_lifted, args)), {name: _lifted(v) for name, v in data.items()}
        found = _dump(lifted, beside)
    except Exception as error:  # noqa: BLE001  (pickling runs the objects' own code)
        for number, argument in enumerate(args, start=1):
            dump(argument, f"argument {number}")
        for name, argument in data.items():
            dump(argument, f"data[{name!r}]")
        _refuse((args, data), "the arguments", error)
    return found


def dump_plain(args: tuple[Any, ...], data: dict[str, Any]) -> bytes | None:
    """As ``dump_arguments``, but only for numbers, text and None, and in less time.

    Returns:
        None when something else is among them.
    """
    if not (_are_plain(args) and (not data or (_are_plain(data) and _are_plain(data.values())))):
        return None
    try:
        return _encode((args, data))
    except _NOT_ENCODED:
        return None


def dump_rows(columns: Mapping[str, Sequence[Any]]) -> list[bytes] | None:
    """The arguments of many tasks, as ``dump_arguments`` makes those of one, but in less time.

    Args:
        columns: a value for each task, by name.

    Returns:
        None when only ``dump_arguments`` will do for some of them, also because they are large.
    """
    rows = as_rows(columns)
    if _are_plain(columns) and all(map(_are_plain, columns.values())):
        try:
            return [_encode(((), row)) for row in rows]
        except _NOT_ENCODED:
            rows = as_rows(columns)
    dumped: list[bytes] = []
    try:
        while found := [
            _pickle(((), row), _PROTOCOL, buffer_callback=_keep_small)
            for row in islice(rows, _ROWS_AT_ONCE)
        ]:
            together = b"".join(found)
            if max(map(len, found)) >= BESIDE_BYTES or foreign_modules.mentioned_in(together):
                return None
            dumped += found
    except Exception:  # noqa: BLE001  (pickling runs the objects' own code)
        return None
    return dumped


def as_rows(columns: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Columns of one length, task by task."""
    if len(columns) == 1:
        ((key, values),) = columns.items()
        return ({key: value} for value in values)
    keys = tuple(columns)
    return (dict(zip(keys, row, strict=True)) for row in zip(*columns.values(), strict=True))


def load_arguments(
    data: bytes, beside: Sequence[memoryview] = ()
) -> tuple[Iterable[Any], dict[str, Any]]:
    """A task's arguments, by position and by name.

    Raises:
        SerializationError: they cannot be made here, for whatever reason.
    """
    if data[0] == _PLAIN_MARK:
        return _decode_plain(data)
    args, named = load(data, "the task's arguments", beside)
    return args, named


def dump_shared(data: Mapping[str, Any], beside: Beside | None = None) -> bytes:
    """Data that many tasks have alike, as bytes, for ``load`` to give a dict back.

    Args:
        data: by name.
        beside: gets the large buffers; None: they are to be in the bytes.

    Raises:
        SerializationError: when one cannot be pickled; names it and what in it is at fault.
    """
    if beside is None:
        return dump(dict(data), "data")
    return dump({name: _lifted(value) for name, value in data.items()}, "data", beside)


def dump(obj: object, what: str, beside: Beside | None = None) -> bytes:
    """Any object as bytes.

    Args:
        obj: the object.
        what: what to call it in an error, such as "the result".
        beside: gets the large buffers; None: they are to be in the bytes.

    Raises:
        SerializationError: when it cannot be pickled; names the object and where in it the
            trouble is.
    """
    try:
        if obj is None:
            return NONE
        if beside is None or type(obj) in _SMALL:
            return _dump(obj)
        return _dump(_lifted(obj), beside)
    except Exception as error:  # noqa: BLE001  (pickling runs the objects' own code)
        _refuse(obj, what, error)


def load(
    data: bytes | memoryview,
    what: str = "an object",
    beside: Sequence[memoryview] = (),
) -> Any:
    """The object that was dumped.

    Args:
        data: what ``dump`` and the like gave.
        what: what to call it in an error, such as "the task's function".
        beside: the large buffers that were put beside it. The object will consist of them.

    Raises:
        SerializationError: when it cannot be made here, for whatever reason.
    """
    try:
        return _unpickle(data, buffers=beside) if beside else _unpickle(data)
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
    given = list(pickled)
    short = max(map(len, filter(None, given)), default=0) <= _SHORT_BYTES
    if short and len(distinct := set(given)) * _REPEATED <= len(given):
        made = {data: None if data is None else _unpickle(data) for data in distinct}
        if _ATOMS.issuperset(map(type, made.values())):  # what cannot change may be shared
            return list(map(made.__getitem__, given))
    return [None if data is None else _unpickle(data) for data in given]


def _dump(obj: object, beside: Beside | None = None) -> bytes:
    try:
        if beside is None:
            data = _pickle(obj, _PROTOCOL)
        else:
            data = _pickle(obj, _PROTOCOL, buffer_callback=_taker(beside))
    except Exception:  # noqa: BLE001  (whatever pickle cannot do, cloudpickle may)
        return _dump_by_value(obj, beside)
    if type(obj) in _ATOMS or not foreign_modules.mentioned_in(data):
        return data
    return _dump_by_value(obj, beside)


def _dump_by_value(obj: object, beside: Beside | None) -> bytes:
    import cloudpickle  # type: ignore[import-untyped]  # here, as most never need it

    take = None
    if beside is not None:
        beside.clear()  # of what an attempt that was given up has put there
        take = _taker(beside)
    with foreign_modules.shipped_by_value():
        return bytes(cloudpickle.dumps(obj, protocol=_PROTOCOL, buffer_callback=take))


# ── Large buffers ──────────────────────────────────────────────────────────────────────────────


class _Lifted:
    """Large ``bytes``, which pickle itself never lets go beside."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def __reduce__(self) -> tuple[type[bytes], tuple[pickle.PickleBuffer]]:
        return bytes, (pickle.PickleBuffer(self._value),)


def _lifted(obj: object) -> object:
    return _Lifted(obj) if type(obj) is bytes and len(obj) >= BESIDE_BYTES else obj


def _are_small(values: Iterable[object]) -> bool:
    """True when none of these can have a large buffer: a short cut for many small tasks."""
    return _SMALL.issuperset(map(type, values))


def _are_plain(values: Iterable[object]) -> bool:
    return _PLAIN.issuperset(map(type, values))


def _taker(beside: Beside) -> Callable[[pickle.PickleBuffer], bool]:
    def take(buffer: pickle.PickleBuffer) -> bool:
        """Take a buffer; True for one that is to go into the pickle."""
        try:
            view = buffer.raw()
        except BufferError:  # it is not contiguous: pickle says so better
            return True
        if view.nbytes < BESIDE_BYTES:
            return True
        beside.append(view)
        return False

    return take


def _keep_small(buffer: pickle.PickleBuffer) -> bool:
    """Let a buffer go into the pickle, unless it is large."""
    if memoryview(buffer).nbytes >= BESIDE_BYTES:
        raise ValueError("large")
    return True


# ── Errors ─────────────────────────────────────────────────────────────────────────────────────


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
