"""A function is pickled again exactly when something that goes with it may have changed."""

from __future__ import annotations

import copy
import dataclasses
import functools
import gc
import math
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from crew_core._controller.commands import prepare
from crew_core._controller.unchanged import snapshot

number = 1
listed = [1]
absent = 0
del absent


def reads() -> int:
    return number


def calls() -> int:
    return reads() + math.factorial(3)


def reads_a_list() -> list[int]:
    return listed


def reads_within() -> Callable[[], int]:
    return lambda: number


def reads_what_is_not_there() -> int:
    return absent  # noqa: F821  (a test gives it a value)


def by_default(value: int = 1) -> int:
    return value


def by_keyword(*, value: int = 1) -> int:
    return value


settings: dict[str, Any] = {"rate": 0.5, "names": ["a", "b"], "within": {"deep": [1, 2]}}
shared = [1]
pair = {"one": shared, "other": shared}
operations: dict[str, Callable[[], int]] = {"reads": reads}


@dataclasses.dataclass
class Point:
    x: int = 1
    rest: list[int] = dataclasses.field(default_factory=list)

    def moved(self) -> int:
        return self.x + number


class Base:
    unit = "m"
    seen: ClassVar[list[int]] = []

    @property
    def size(self) -> int:
        return number

    @staticmethod
    def make() -> int:
        return number


class Derived(Base):
    def text(self) -> str:
        return super().unit


def reads_settings() -> float:
    return float(settings["rate"])


def reads_a_pair() -> list[int]:
    return pair["one"]


def makes_a_point() -> int:
    return Point().moved()


def asks_a_class() -> str:
    return Derived().text()


def looks_up() -> int:
    return operations["reads"]()


by_default_listed = [1]


def many(*, values: list[int] = by_default_listed) -> list[int]:
    return values


partly = functools.partial(many, values=[2])
THINGS = [reads_settings, reads_a_pair, makes_a_point, asks_a_class, looks_up, many, partly, Point]


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    before = dict(globals())
    yield
    globals().clear()
    globals().update(before)


def makes_closure(start: int) -> tuple[Callable[[], int], Callable[[int], None]]:
    held = start

    def reader() -> int:
        return held

    def change(value: int) -> None:
        nonlocal held
        held = value

    return reader, change


def sent(function: Callable[..., Any]) -> bytes:
    return prepare(function, ()).blob.digest


@pytest.mark.parametrize(
    "function", [reads, calls, reads_within, by_default, reads_what_is_not_there, math.floor]
)
def test_a_function_is_pickled_once(function: Callable[..., Any]) -> None:
    assert prepare(function, ()) is prepare(function, ())


@pytest.mark.parametrize("function", [reads, calls, reads_within])
def test_a_changed_global_goes_with_the_next_push(function: Callable[..., Any]) -> None:
    before = sent(function)
    globals()["number"] = 2
    assert sent(function) != before
    globals()["number"] = 1
    assert sent(function) == before


def test_a_global_that_comes_later_goes_with_the_next_push() -> None:
    before = sent(reads_what_is_not_there)
    globals()["absent"] = 5
    assert sent(reads_what_is_not_there) != before


def test_a_list_may_change_at_any_time() -> None:
    before = sent(reads_a_list)
    listed.append(2)
    assert sent(reads_a_list) != before
    listed.pop()


@pytest.mark.parametrize("thing", THINGS)
def test_what_reaches_classes_and_plain_data_is_pickled_once(thing: Callable[..., Any]) -> None:
    assert prepare(thing, ()) is prepare(thing, ())


@pytest.mark.parametrize(
    ("function", "holder", "change"),
    [
        (reads_settings, settings, lambda it: it.update(rate=0.25)),
        (reads_settings, settings, lambda it: it.update(rate=1, more=2)),
        (reads_settings, settings["names"], lambda it: it.reverse()),
        (reads_settings, settings["within"]["deep"], lambda it: it.append(3)),
        (reads_settings, settings["within"]["deep"], lambda it: it.__setitem__(0, True)),
        (reads_settings, settings, lambda it: it.update(rate=object)),
        (reads_a_pair, pair, lambda it: it.update(other=[1])),  # alike, and no longer the same
        (looks_up, operations, lambda it: it.update(reads=calls)),
        (looks_up, operations, lambda it: it.update(calls=calls)),
        (many, by_default_listed, lambda it: it.append(3)),
        (partly, partly.keywords["values"], lambda it: it.append(3)),
        (partly, partly.keywords, lambda it: it.update(values=[4])),
        (asks_a_class, Base.seen, lambda it: it.append(3)),
    ],
)
def test_changed_contents_go_with_the_next_push(
    function: Callable[..., Any], holder: Any, change: Callable[[Any], None]
) -> None:
    was = copy.copy(holder)
    before = sent(function)
    assert sent(function) == before
    change(holder)
    try:
        assert sent(function) != before
    finally:
        holder.clear()
        holder.extend(was) if isinstance(was, list) else holder.update(was)


@pytest.mark.parametrize(
    ("function", "holder", "name", "value"),
    [
        (makes_a_point, Point, "moved", lambda self: 7),
        (makes_a_point, Point, "x", 2),
        (makes_a_point, Point, "another", 2),
        (Point, Point, "another", 2),
        (asks_a_class, Base, "unit", "km"),
        (asks_a_class, Derived, "unit", "km"),
        (asks_a_class, Base, "size", property(lambda self: 7)),
        (asks_a_class, Base, "make", staticmethod(lambda: 7)),
        (asks_a_class, Derived.text, "attribute", 7),
        (partly, partly, "attribute", 7),
    ],
)
def test_changed_attributes_go_with_the_next_push(
    monkeypatch: pytest.MonkeyPatch,
    function: Callable[..., Any],
    holder: Any,
    name: str,
    value: Any,
) -> None:
    before = sent(function)
    assert sent(function) == before
    monkeypatch.setattr(holder, name, value, raising=False)
    assert sent(function) != before
    monkeypatch.undo()
    assert sent(function) == before


@pytest.mark.parametrize("function", [makes_a_point, asks_a_class])
def test_what_methods_read_goes_with_the_next_push(function: Callable[..., Any]) -> None:
    before = sent(function)
    globals()["number"] = 2
    assert sent(function) != before


def test_another_base_goes_with_the_next_push() -> None:
    class Other(Base):
        unit = "s"

    before = sent(asks_a_class)
    Derived.__bases__ = (Other,)
    try:
        assert sent(asks_a_class) != before
    finally:
        Derived.__bases__ = (Base,)


def test_what_may_change_unnoticed_is_pickled_each_time() -> None:
    class Holder:
        value = 1

    holder = Holder()

    def function() -> int:
        return holder.value

    before = sent(function)
    holder.value = 2
    assert sent(function) != before


def test_what_only_stands_for_a_function_is_pickled_each_time() -> None:
    class StandIn:
        def __init__(self, function: Callable[..., Any]) -> None:
            self.function = function

        @property
        def __class__(self) -> Any:
            return type(self.function)

        @__class__.setter
        def __class__(self, kind: Any) -> None:
            raise NotImplementedError

        def __getattr__(self, name: str) -> Any:
            return getattr(self.function, name)

    assert isinstance(StandIn(reads), type(reads))
    assert snapshot(StandIn(reads)) is None


def test_a_class_of_a_module_that_is_gone_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lost: ...

    def function() -> object:
        return Lost()

    Lost.__module__ = "lost_and_gone"
    monkeypatch.setitem(sys.modules, "lost_and_gone", object())  # some leave such things there
    assert snapshot(function) is not None


def test_functions_that_lead_from_one_to_the_next_without_end_are_not_followed() -> None:
    def follow(function: Callable[[], int]) -> Callable[[], int]:
        return lambda: function() + 1

    function: Callable[[], int] = reads
    for _ in range(1000):
        function = follow(function)
    assert snapshot(function) is None


def test_a_changed_variable_of_a_closure_goes_with_the_next_push() -> None:
    reader, change = makes_closure(1)
    before = sent(reader)
    assert prepare(reader, ()) is prepare(reader, ())
    change(2)
    assert sent(reader) != before


def test_changed_defaults_go_with_the_next_push() -> None:
    before = sent(by_default), sent(by_keyword)
    by_default.__defaults__ = (2,)
    by_keyword.__kwdefaults__ = {"value": 2}
    try:
        assert sent(by_default) != before[0]
        assert sent(by_keyword) != before[1]
    finally:
        by_default.__defaults__ = (1,)
        by_keyword.__kwdefaults__ = {"value": 1}


def test_changed_code_goes_with_the_next_push() -> None:
    def function() -> int:
        return 1

    before = sent(function)
    function.__code__ = (lambda: 2).__code__
    assert sent(function) != before


def test_an_attribute_that_a_function_is_given_goes_with_the_next_push() -> None:
    def function() -> None: ...

    before = sent(function)
    function.unit = "s"  # type: ignore[attr-defined]  # any function can have attributes
    assert sent(function) != before


def test_what_a_called_function_became_goes_with_the_next_push() -> None:
    before = sent(calls)
    globals()["reads"] = lambda: 7
    assert sent(calls) != before


def test_data_and_globals_make_another_command() -> None:
    with_global = prepare(reads, (), global_names={"number": 3})
    assert with_global.blob != prepare(reads, ()).blob
    assert prepare(reads, (), global_names={"number": 4}).blob != with_global.blob


def test_a_function_that_holds_on_to_much_is_not_kept() -> None:
    reader, _ = makes_closure(b"x" * 1_000_000)  # type: ignore[arg-type]  # any value will do
    prepare(reader, ())
    gone = weakref.ref(reader)
    del reader, _
    gc.collect()
    assert gone() is None


def test_a_text_is_prepared_once_and_with_globals_anew() -> None:
    assert prepare("a + 1", ["a"]) is prepare("a + 1", ["a"])
    one = prepare("a + b", ["a"], global_names={"b": 1})
    other = prepare("a + b", ["a"], global_names={"b": 2})
    assert one.blob.digest != other.blob.digest


def test_a_long_text_is_not_kept() -> None:
    text = f"len('{'x' * 100_000}')"
    assert prepare(text, []) is not prepare(text, [])
