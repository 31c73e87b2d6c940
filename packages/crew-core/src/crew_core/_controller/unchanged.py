"""Tells whether a function would be pickled as it was before, without pickling it again.

A function that is shipped by value takes along what it mentions: globals, classes, other functions.
Each push has to look at them, for they may have changed since the last. To look is cheap as long as
all that the function reaches is unchangeable, stored by its address, made of parts that are one of
these, or plain data, whose pickle is compared. What reaches anything else is pickled anew each
time.
"""

from __future__ import annotations

import functools
import pickle
import sys
from collections.abc import Iterable, Iterator, Mapping
from operator import is_
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, NamedTuple

from crew_core._wire import foreign_modules

_DATA = (type(None), bool, int, float, complex, str, bytes)
_CONTAINERS = (list, tuple, dict, set, frozenset)
_CONSTANT = (
    *_DATA,
    type(...),
    GetSetDescriptorType,
    MemberDescriptorType,
    WrapperDescriptorType,
)
_WRAPPERS = (
    BuiltinFunctionType,
    MethodType,
    staticmethod,
    classmethod,
    property,
    functools.partial,
)
_REACH_MOST = 500  # things; to look at more would cost as much as to pickle
_DATA_MOST = 1 << 14  # bytes of all plain data together

_absent = object()


class _Function(NamedTuple):
    function: FunctionType
    code: CodeType
    defaults: tuple[Any, ...] | None
    by_keyword: dict[str, Any] | None
    attributes: dict[str, Any]
    attribute_count: int


class _Space(NamedTuple):
    """Names, and what they stand for."""

    items: Mapping[Any, object]
    names: tuple[object, ...]
    values: tuple[object, ...]


class Snapshot:
    """What a function's pickle was made of."""

    def __init__(self) -> None:
        self._functions: list[_Function] = []
        self._classes: list[tuple[type, tuple[type, ...]]] = []
        self._names: list[tuple[Mapping[str, Any], str, object]] = []
        self._spaces: list[_Space] = []
        self._lists: list[tuple[list[object], tuple[object, ...]]] = []
        self._cells: list[tuple[CellType, object]] = []
        self._data: list[object] = []
        self._data_pickle = _pickled(self._data)  # of all at once: two may share a third
        self._registered = foreign_modules.registered()
        self._wholes = False  # there are classes, spaces, lists or data
        self._noted: dict[int, object] = {}  # kept, so that nothing else gets their ids

    @property
    def holds(self) -> bool:
        """True while all of it is as it was."""
        for function, code, defaults, by_keyword, attributes, count in self._functions:
            if function.__code__ is not code or function.__defaults__ is not defaults:
                return False
            attributes_are = function.__dict__ is attributes and len(attributes) == count
            if function.__kwdefaults__ is not by_keyword or not attributes_are:
                return False
        for namespace, name, value in self._names:
            if namespace.get(name, _absent) is not value:
                return False
        for cell, value in self._cells:
            if _contents(cell) is not value:
                return False
        whole = not self._wholes or all(self._look_at_wholes())
        return whole and self._registered == foreign_modules.registered()

    def _look_at_wholes(self) -> Iterator[bool]:
        yield all(cls.__bases__ is bases for cls, bases in self._classes)
        yield all(
            _is_same(items.values(), values) and _is_same(items, names)
            for items, names, values in self._spaces
        )
        yield all(_is_same(listed, values) for listed, values in self._lists)
        yield not self._data or _pickled(self._data) == self._data_pickle

    def add(self, value: object) -> bool:
        """Take note of a value. False when it could change unnoticed."""
        kind = type(value)
        if kind in _CONSTANT or id(value) in self._noted:
            return True
        if len(self._noted) >= _REACH_MOST or value.__class__ is not kind:  # a stand-in may change
            return False
        self._noted[id(value)] = value
        if isinstance(value, FunctionType):
            return self._add_function(value)
        if isinstance(value, type):
            return self._has_address(value) or self._add_class(value)
        if kind in _CONTAINERS:
            return self._add_data(value) if _is_data(value) else self._add_container(value)
        return self._add_wrapper(value)

    # ── Functions and classes ──────────────────────────────────────────────────────────────────

    def _add_function(self, function: FunctionType) -> bool:
        if self._has_address(function):
            return True
        by_keyword, attributes = function.__kwdefaults__, function.__dict__
        known = function, function.__code__, function.__defaults__, by_keyword, attributes
        self._functions.append(_Function(*known, len(attributes)))
        return (
            (by_keyword is None or self._add_space(by_keyword))
            and (not attributes or self._add_space(attributes))
            and self.add(function.__defaults__)
            and self._add_closure(function)
            and self._add_globals(function)
        )

    def _has_address(self, value: FunctionType | type) -> bool:
        """Take note of what is stored as its module and name; False for what is not."""
        if foreign_modules.is_foreign(value.__module__):
            return False
        namespace = getattr(sys.modules.get(value.__module__), "__dict__", {})
        if namespace.get(value.__qualname__) is not value:
            return False
        self._names.append((namespace, value.__qualname__, value))
        return True

    def _add_closure(self, function: FunctionType) -> bool:
        for cell in function.__closure__ or ():
            value = _contents(cell)
            self._cells.append((cell, value))
            if value is not _absent and not self.add(value):
                return False
        return True

    def _add_globals(self, function: FunctionType) -> bool:
        namespace = function.__globals__
        for name in set(_names(function.__code__)):
            value = namespace.get(name, _absent)
            self._names.append((namespace, name, value))
            if len(self._names) > _REACH_MOST or (value is not _absent and not self.add(value)):
                return False
        return True

    def _add_class(self, cls: type) -> bool:
        if type(cls) is not type:
            return False
        self._classes.append((cls, cls.__bases__))
        told = {name: value for name, value in vars(cls).items() if name != "__annotations__"}
        return self._add_space(vars(cls), told.values()) and all(map(self.add, cls.__bases__))

    # ── Data ───────────────────────────────────────────────────────────────────────────────────

    def _add_data(self, value: object) -> bool:
        """Take note of a container of nothing but plain data, down to the last."""
        self._wholes = True
        self._data.append(value)
        self._data_pickle = _pickled(self._data)
        return len(self._data_pickle) <= _DATA_MOST

    def _add_container(self, value: object) -> bool:
        if isinstance(value, tuple):
            return all(map(self.add, value))
        if isinstance(value, dict):
            return self._add_space(value)
        if isinstance(value, list):
            self._wholes = True
            self._lists.append((value, tuple(value)))
            return all(map(self.add, tuple(value)))
        return False

    def _add_space(self, items: Mapping[Any, object], told: Iterable[object] | None = None) -> bool:
        """Take note of names, and of what they stand for: of all, or of some of it."""
        self._wholes = True
        names, values = tuple(items), tuple(items.values())
        self._spaces.append(_Space(items, names, values))
        return all(type(name) in _DATA for name in names) and all(
            map(self.add, values if told is None else told)
        )

    def _add_wrapper(self, value: object) -> bool:
        """Take note of what consists of others, if its kind is known."""
        kind = type(value)
        if isinstance(value, ModuleType):
            return not foreign_modules.is_foreign(value.__name__)
        if kind not in _WRAPPERS:  # what dataclasses makes with a class does not change any more
            return kind.__module__ == "dataclasses"
        parts: tuple[object, ...] = ()
        if isinstance(value, BuiltinFunctionType):
            parts = (value.__self__,)
        elif isinstance(value, MethodType):
            parts = value.__func__, value.__self__
        elif isinstance(value, (staticmethod, classmethod)):
            parts = (value.__func__,)
        elif isinstance(value, property):
            parts = value.fget, value.fset, value.fdel, value.__doc__
        elif isinstance(value, functools.partial):
            if not (self._add_space(vars(value)) and self._add_space(value.keywords)):
                return False
            parts = value.func, value.args
        return all(map(self.add, parts))


def snapshot(function: object) -> Snapshot | None:
    """Take one; None where only pickling tells."""
    taken = Snapshot()
    try:
        return taken if taken.add(function) else None
    except RecursionError:  # one leads to the next, and so on
        return None


def _names(code: CodeType) -> Iterator[str]:
    """Names of globals that code may read, those of attributes among them."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _contents(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # nothing was assigned yet
        return _absent


def _is_same(values: Any, before: tuple[object, ...]) -> bool:
    return len(values) == len(before) and all(map(is_, values, before))


def _is_data(value: object) -> bool:
    """True for a container of nothing but plain data, and not too much of it."""
    rest, seen = [value], 0
    while rest:
        part = rest.pop()
        seen += 1
        if type(part) in _CONTAINERS:
            parts: list[object] = list(part)  # type: ignore[call-overload]  # they all have parts
            rest += parts
            if isinstance(part, dict):
                rest += part.values()
        elif type(part) not in _DATA:
            return False
        if seen + len(rest) > _DATA_MOST:  # each is at least a byte; this may also be a circle
            return False
    return True


def _pickled(value: object) -> bytes:
    """The same bytes for the same data. What else it holds by now is no longer the same."""
    try:
        return pickle.dumps(value, 5)
    except Exception:  # noqa: BLE001  (pickling runs the objects' own code)
        return b""
