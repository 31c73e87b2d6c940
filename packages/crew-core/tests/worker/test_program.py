"""Text commands: what they evaluate to, and what they see."""

from __future__ import annotations

import linecache
from typing import Any

import pytest

from crew_core._model.errors import ConfigError
from crew_core._model.program import check_program, parse
from crew_core._worker.program import Program


def evaluate(text: str, data: dict[str, Any] | None = None, **names: Any) -> Any:
    data = data or {}
    program = Program(text, tuple(data), "<test>")
    try:
        return program.run(data, names)
    finally:
        program.forget()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 1", 2),
        ("x = 2\nx * 3", 6),
        ("x = 2", None),
        ("", None),
        ("'text'", "text"),
        ("for i in range(3):\n    last = i", None),
        ("x = 1; x", 1),
        ("  \n  x = 1\n  x + 1\n", 2),
        (" 1 + 1", 2),
        ("from math import *\nfloor(2.5)", 2),
        ("if True:\n    from math import *\nfloor(2.5)", 2),
        ("from __future__ import annotations\ndef f(x: unknown): return x\nf(3)", 3),
        ("sum = sum([1, 2])\nsum", 3),
        ("x: int = 3\nx", 3),
        ("class C:\n    y = 1\nC.y", 1),
        ("'''doc'''\n1", 1),
    ],
)
def test_the_value_is_the_last_expressions(text: str, value: object) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "[a for _ in range(1)][0]",
        "(lambda: a)()",
        "def f():\n    return a\nf()",
        "class C:\n    b = a\nC.b",
        "def f():\n    def g():\n        return a\n    return g\nf()()",
        "sum(a for _ in range(1))",
        "locals()['a']",
    ],
)
def test_data_are_visible_in_nested_scopes(text: str) -> None:
    assert evaluate(text, {"a": 5}, a=7) == 5


def test_data_can_be_reassigned() -> None:
    assert evaluate("a = a + 1\na", {"a": 1}) == 2


def test_a_global_can_be_read_before_it_is_assigned() -> None:
    names = {"d": 1}
    program = Program("d = d + 1\nd", (), "<test>")
    assert program.run({}, names) == 2
    assert names == {"d": 1}
    program.forget()


def test_a_name_assigned_in_one_branch_only_is_a_plain_name_error_otherwise() -> None:
    with pytest.raises(NameError):
        evaluate("if a:\n    b = 1\nb", {"a": False})


def test_global_statements_reach_the_globals() -> None:
    names: dict[str, Any] = {}
    Program("global x\nx = 3", (), "<test>").run({}, names)
    assert names["x"] == 3


def test_tracebacks_can_show_the_text() -> None:
    program = Program("a = 1\nb = missing", (), "<task test>")
    assert linecache.getline("<task test>", 2) == "b = missing"
    program.forget()
    assert linecache.getline("<task test>", 2) == ""


@pytest.mark.parametrize(
    "text", ["1 +", "return 1", "yield 1", "await x", "nonlocal a", "x = (", "a\0b", "(" * 500]
)
def test_what_is_not_a_program_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="the command"):
        check_program(text)


@pytest.mark.parametrize("name", ["for", "a b", "", "1a", "None"])
def test_what_is_not_a_variables_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="variable"):
        check_program("1", [name])


def test_a_program_with_good_names_is_accepted() -> None:
    check_program("a + match", ["a", "match"])
    assert parse("1").body


def test_the_refusal_shows_the_line() -> None:
    with pytest.raises(ConfigError, match=r"line 2.*\n.*b = = 2"):
        check_program("a = 1\nb = = 2")
