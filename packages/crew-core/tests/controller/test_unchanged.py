"""A function is pickled again exactly when something that goes with it may have changed."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crew_core._controller.submission import prepare

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
