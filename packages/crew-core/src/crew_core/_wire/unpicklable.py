"""Where in an object the part is that cannot be pickled, for an error message."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType
from typing import Any

Fault = Callable[[object], Exception | None]
"""What is wrong with an object: the error that pickling it gives, or None."""

_DEPTH_MAX = 24

_Part = tuple[str, Any]


def find_culprit(obj: object, error: Exception, fault: Fault) -> tuple[str, object, Exception]:
    """The innermost part that cannot be pickled.

    Args:
        obj: an object that cannot be pickled.
        error: the error that pickling it gave.
        fault: tells what is wrong with a part.

    Returns:
        The way to the part (such as ``['model']['lock']``; empty for the object itself), the part,
        and the error that it gives by itself.
    """
    path = ""
    for _ in range(_DEPTH_MAX):
        found = _faulty_part(list(_parts(obj)), fault)
        if found is None:
            break
        (label, obj), error = found
        path += label
    return path, obj, error


def _faulty_part(parts: list[_Part], fault: Fault) -> tuple[_Part, Exception] | None:
    """One of these parts that is at fault, found by halving: a list may be long."""
    if fault([part for _, part in parts]) is None:
        return None
    while len(parts) > 1:
        half = parts[: len(parts) // 2]
        if fault([part for _, part in half]) is None:
            half = parts[len(half) :]
        parts = half
    error = fault(parts[0][1])
    # None: the parts are fine one by one, only not together.
    return None if error is None else (parts[0], error)


def _parts(obj: object) -> Iterator[_Part]:
    if isinstance(obj, dict):
        yield from ((" key", key) for key in obj)
        yield from ((f"[{_short(key)}]", value) for key, value in obj.items())
    elif isinstance(obj, (list, tuple)):
        yield from ((f"[{index}]", value) for index, value in enumerate(obj))
    elif isinstance(obj, (set, frozenset)):
        yield from ((" element", value) for value in obj)
    elif isinstance(obj, FunctionType):
        yield from _parts_of_function(obj)
    elif isinstance(obj, MethodType):
        yield ".__self__", obj.__self__
    elif isinstance(obj, functools.partial):
        yield from ((".func", obj.func), (".args", obj.args), (".keywords", obj.keywords))
    elif not isinstance(obj, type):
        yield from ((f".{name}", value) for name, value in _attributes(obj).items())


def _parts_of_function(function: FunctionType) -> Iterator[_Part]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f" its variable {name!r}", cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    for name in function.__code__.co_names:
        if name in function.__globals__:
            yield f" its global {name!r}", function.__globals__[name]
    yield from ((f" its default [{i}]", v) for i, v in enumerate(function.__defaults__ or ()))


def _attributes(obj: object) -> dict[str, Any]:
    found = dict(getattr(obj, "__dict__", None) or {})
    for kind in type(obj).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(obj, name):
                found.setdefault(name, getattr(obj, name))
    return found


def _short(key: object) -> str:
    text = repr(key)
    return text if len(text) <= 60 else text[:59] + "…"
