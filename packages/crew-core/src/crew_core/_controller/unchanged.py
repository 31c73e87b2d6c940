"""Tells whether a function would be pickled as it was before, without pickling it again.

A function that is shipped by value takes its globals along, so each push has to look at them: they
may have changed since the last. To look is cheap as long as all it reaches is either unchangeable
or stored by its address. What reaches anything else is pickled anew each time.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    ModuleType,
)
from typing import Any

from crew_core._wire import foreign_modules

_CONSTANT = (type(None), bool, int, float, complex, str, bytes, type(...), BuiltinFunctionType)
_REACH_MOST = 64  # names; to look at more would cost as much as to pickle

_absent = object()


class Snapshot:
    """What a function's pickle was made of."""

    __slots__ = ("_cells", "_functions", "_names", "_registered")

    def __init__(self) -> None:
        self._functions: list[tuple[FunctionType, CodeType, tuple[Any, ...] | None]] = []
        self._names: list[tuple[dict[str, Any], str, object]] = []
        self._cells: list[tuple[CellType, object]] = []
        self._registered = foreign_modules.registered()

    @property
    def holds(self) -> bool:
        """True while all of it is as it was."""
        for function, code, defaults in self._functions:
            if function.__code__ is not code or function.__defaults__ is not defaults:
                return False
            if function.__kwdefaults__ is not None or function.__dict__:
                return False
        for namespace, name, value in self._names:
            if namespace.get(name, _absent) is not value:
                return False
        for cell, value in self._cells:
            if _contents(cell) is not value:
                return False
        return self._registered == foreign_modules.registered()


def snapshot(function: object) -> Snapshot | None:
    """Take one; None where only pickling tells."""
    taken = Snapshot()
    return taken if _add(taken, function) else None


def _add(taken: Snapshot, value: object) -> bool:
    """Take note of a value. False when it could change unnoticed."""
    kind = type(value)
    if kind in _CONSTANT:
        return True
    if isinstance(value, ModuleType):
        return not foreign_modules.is_foreign(value.__name__)
    if kind is tuple:
        return all(_add(taken, part) for part in value)  # type: ignore[attr-defined]  # a tuple's
    if isinstance(value, FunctionType):
        return _add_function(taken, value)
    if isinstance(value, type):
        return _has_address(value)
    return False


def _add_function(taken: Snapshot, function: FunctionType) -> bool:
    if any(known is function for known, _, _ in taken._functions):
        return True
    if function.__kwdefaults__ is not None or function.__dict__:
        return False
    taken._functions.append((function, function.__code__, function.__defaults__))
    if not foreign_modules.is_foreign(function.__module__):
        return _add_address(taken, function)
    return (
        _add(taken, function.__defaults__)
        and _add_closure(taken, function)
        and _add_globals(taken, function)
    )


def _add_address(taken: Snapshot, function: FunctionType) -> bool:
    module, name = sys.modules.get(function.__module__), function.__qualname__
    if module is None or vars(module).get(name) is not function:
        return False
    taken._names.append((vars(module), name, function))
    return True


def _add_closure(taken: Snapshot, function: FunctionType) -> bool:
    for cell in function.__closure__ or ():
        value = _contents(cell)
        taken._cells.append((cell, value))
        if value is not _absent and not _add(taken, value):
            return False
    return True


def _add_globals(taken: Snapshot, function: FunctionType) -> bool:
    namespace = function.__globals__
    for name in set(_names(function.__code__)):
        value = namespace.get(name, _absent)
        taken._names.append((namespace, name, value))
        if len(taken._names) > _REACH_MOST:
            return False
        if value is not _absent and not _add(taken, value):
            return False
    return True


def _names(code: CodeType) -> Iterator[str]:
    """Names of globals that code may read, those of attributes among them."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _has_address(kind: type) -> bool:
    """True for a class that is stored as its module and name."""
    return not foreign_modules.is_foreign(kind.__module__)


def _contents(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # nothing was assigned yet
        return _absent
