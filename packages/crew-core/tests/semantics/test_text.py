"""Tasks that are strings of Python."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew

SECONDS = 60

Open = Callable[..., AbstractContextManager[crew.Controller]]


@pytest.fixture(scope="module")
def controller(open_controller: Open) -> Iterator[crew.Controller]:
    with open_controller(workers=1) as controller:
        yield controller


@pytest.fixture
def run(controller: crew.Controller) -> Callable[..., crew.Record]:
    def run(text: str, **options: Any) -> crew.Record:
        controller.push(text, **options)
        assert controller.wait(seconds_timeout=SECONDS)
        record = controller.pop()
        assert record is not None
        return record

    return run


@pytest.fixture
def value(run: Callable[..., crew.Record]) -> Callable[..., Any]:
    """The value of a text that is given data by keyword."""

    def value(text: str, **data: Any) -> Any:
        record = run(textwrap.dedent(text), data=data)
        assert (record.status, record.error) == ("success", None)
        return record.result

    return value


# ── The examples that users see first, word for word ───────────────────────────────────────────

FIRST_MINUTE = """
import os
import crew_core as crew

with crew.controller("local", name="example", workers=2, seconds_idle=10) as controller:
    controller.push(os.getpid, name="get pid")
    controller.wait()
    record = controller.pop()
    print(record.result)          # a worker's process id
"""


def test_the_first_minute(tmp_path: Path, open_controller: Open) -> None:
    script = tmp_path / "first_minute.py"
    script.write_text(FIRST_MINUTE)
    started = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    out, err = started.communicate(timeout=SECONDS)
    assert (started.returncode, err) == (0, "")
    assert int(out) not in (0, started.pid)


def test_map_of_text(controller: crew.Controller) -> None:
    table = controller.map(
        "a + b + c + d", iterate={"a": [1, 3], "b": [2, 4]}, data={"c": 5}, globals={"d": 6}
    )
    assert list(table["result"]) == [14, 18]
    assert list(table["status"]) == ["success", "success"]


def test_map_of_a_function(controller: crew.Controller) -> None:
    table = controller.map(
        lambda a, b, c: a + b + c, iterate={"a": [1, 3], "b": [2, 4]}, data={"c": 5}
    )
    assert list(table["result"]) == [8, 12]


# ── Values ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 1", 2),
        ("  1 + 1  ", 2),
        ("\n\n1 + 1  # two\n\n", 2),
        ("x = 20\ny = 1\nx + 2 * y", 22),
        ("x = 1; x + 1", 2),
        ("x = 1", None),
        ("pass", None),
        ("", None),
        ("# nothing", None),
        ("for i in range(3):\n    i", None),
        ("'a string'", "a string"),
        ("(1,\n 2,\n 3)", (1, 2, 3)),
        ("def f(x):\n    return x + 1\n\nf(1)", 2),
        ("class A:\n    x = 3\n\nA().x", 3),
        ("try:\n    1 / 0\nexcept ZeroDivisionError:\n    x = 'caught'\nx", "caught"),
        ("import math\nmath.floor(2.5)", 2),
        ("from math import *\nfloor(2.5)", 2),
        ("sum = sum([1, 2])\nsum", 3),
        ("__name__", "__main__"),
        ("lambda: 0\nNone", None),
        ("[y := 1, y + 1]", [1, 2]),
    ],
)
def test_the_value_is_that_of_the_last_expression(
    value: Callable[..., Any], text: str, expected: object
) -> None:
    assert value(text) == expected


def test_data_are_visible_wherever_the_text_looks(value: Callable[..., Any]) -> None:
    assert value("a + b", a=1, b=2) == 3
    assert value("[a * i for i in range(b)]", a=2, b=3) == [0, 2, 4]
    assert value("[[a for _ in range(b)] for _ in range(b)]", a=1, b=2) == [[1, 1], [1, 1]]
    assert value("sorted([3, 1, 2], key=lambda x: a * x)", a=-1) == [3, 2, 1]
    assert value("sum(x + a for x in b)", a=1, b=[1, 2]) == 5
    assert value("eval('a + 1')", a=1) == 2
    found = value(
        """
        def outer(x):
            def inner(y):
                return x + y + a
            return inner(b)

        class Holder:
            content = a
            def more(self):
                return self.content + b

        outer(1), Holder().more()
        """,
        a=10,
        b=20,
    )
    assert found == (31, 30)


def test_functions_of_the_text_see_each_other(value: Callable[..., Any]) -> None:
    text = """
        import math

        def even(n):
            return n == 0 or odd(n - 1)

        def odd(n):
            return n != 0 and even(n - 1)

        even(n), odd(n), math.sqrt(n), [math.floor(x) for x in (1.5, 2.5)]
        """
    assert value(text, n=4) == (True, False, 2, [1, 2])


def test_data_may_be_changed_and_named_as_one_likes(value: Callable[..., Any]) -> None:
    assert value("x += 1\nx", x=1) == 2
    assert value("x.append(2)\nx", x=[1]) == [1, 2]
    assert value("sum + len", sum=1, len=2) == 3
    assert value("grüße", grüße="hallo") == "hallo"
    assert value("command + args + self", command=1, args=2, self=3) == 6


def test_what_a_text_defines_can_be_its_value(value: Callable[..., Any]) -> None:
    found = value("class Point:\n    def __init__(self, x):\n        self.x = x\n\nPoint(a)", a=7)
    assert (type(found).__name__, found.x) == ("Point", 7)
    add = value("lambda x: x + a", a=7)
    assert add(1) == 8


def test_data_of_text_may_be_of_this_module_s_own_types(value: Callable[..., Any]) -> None:
    class Local:
        content = 3

    found = value("a.content = 4\na", a=Local())
    assert isinstance(found, Local)
    assert found.content == 4


# ── Globals, packages ──────────────────────────────────────────────────────────────────────────


def test_globals_are_the_text_s_global_names(run: Callable[..., crew.Record]) -> None:
    text = "def f():\n    return scale * a\n\nf(), globals()['scale'], [scale for _ in range(1)]"
    record = run(text, data={"a": 2}, globals={"scale": 10})
    assert record.result == (20, 10, [10])


def test_data_come_before_globals(run: Callable[..., crew.Record]) -> None:
    assert run("a", data={"a": "data"}, globals={"a": "global"}).result == "data"


def test_globals_may_be_functions_of_ours(run: Callable[..., crew.Record]) -> None:
    def double(x: int) -> int:
        return 2 * x

    assert run("double(a)", data={"a": 2}, globals={"double": double}).result == 4


@pytest.mark.parametrize(
    "text",
    [
        "leaked = 1\n0",
        "global leaked\nleaked = 1\n0",
        "globals()['leaked'] = 1\n0",
        "def leaked(): pass\n0",
        "import math as leaked\n0",
    ],
)
def test_names_do_not_leak_into_the_next_task(run: Callable[..., crew.Record], text: str) -> None:
    assert run(text).result == 0
    assert run("'leaked' in globals()").result is False
    after = run("leaked")
    assert after.status == "error"
    assert "NameError: name 'leaked' is not defined" in str(after.error)


def test_globals_do_not_leak_into_the_next_task(run: Callable[..., crew.Record]) -> None:
    assert run("scale", globals={"scale": 10}).result == 10
    assert run("scale").status == "error"
    assert run("scale", globals={"scale": 20}).result == 20


def test_names_stay_when_they_are_asked_to(open_controller: Open) -> None:
    with open_controller(workers=1, reset_globals=False) as controller:
        controller.submit(int).result(SECONDS)
        controller.push("global kept\nkept = 1").result(SECONDS)
        assert controller.push("kept").result(SECONDS) == 1


def test_packages_are_bound_by_name(run: Callable[..., crew.Record]) -> None:
    assert run("math.sqrt(a)", data={"a": 4}, packages=["math"]).result == 2
    text = "xml.etree.ElementTree.fromstring('<a b=\"1\"/>').attrib, json.loads('[1]')"
    record = run(text, packages=["xml.etree.ElementTree", "json"])
    assert record.result == ({"b": "1"}, [1])
    without = run("math.sqrt(a)", data={"a": 4})
    assert "NameError: name 'math' is not defined" in str(without.error)


def test_packages_are_imported_for_functions_too(controller: crew.Controller) -> None:
    def imported() -> bool:
        return "sched" in sys.modules

    assert controller.push(imported, packages=["sched"], name="function").result(SECONDS)
    assert controller.pop() is not None
    table = controller.map("sched.__name__", iterate={"i": [1, 2]}, packages=["sched"])
    assert list(table["result"]) == ["sched", "sched"]


def test_a_package_that_is_not_there_is_an_error(run: Callable[..., crew.Record]) -> None:
    record = run("1", packages=["no_such_package"])
    assert (record.status, record.code) == ("error", -1)
    assert "No module named 'no_such_package'" in str(record.error)
    assert isinstance(record.exception, ModuleNotFoundError)
    assert run("1").result == 1


# ── Records ────────────────────────────────────────────────────────────────────────────────────


def test_an_error_in_the_text_shows_its_line(run: Callable[..., crew.Record]) -> None:
    record = run("x = 1\n\ndef f():\n    return x / a\n\nf()", data={"a": 0})
    assert (record.status, record.code, record.result) == ("error", -1, None)
    assert record.error == "ZeroDivisionError: division by zero"
    assert "line 4" in str(record.trace)
    assert "return x / a" in str(record.trace)
    assert isinstance(record.exception, ZeroDivisionError)


def test_the_text_is_kept_when_it_is_asked_for(run: Callable[..., crew.Record]) -> None:
    assert run("1 + 1").command is None
    record = run("1 + 1", save_command=True)
    assert (record.command, record.result) == ("1 + 1", 2)


def test_warnings_of_a_text_are_in_its_record(run: Callable[..., crew.Record]) -> None:
    record = run("import warnings\nwarnings.warn('careful')\n1")
    assert (record.result, record.warnings) == (1, "careful")
    assert run("1").warnings is None


def test_a_text_can_be_walked(controller: crew.Controller) -> None:
    handles = controller.walk(
        "x * y", iterate={"x": [1, 2], "id": ["a", "b"]}, data={"y": 3}, names="id"
    )
    assert {name: handle.result(SECONDS) for name, handle in handles.items()} == {"a": 3, "b": 6}
    assert controller.collect() is not None


def test_many_texts_with_different_data(controller: crew.Controller) -> None:
    handles = [controller.push(f"x{i} + {i}", data={f"x{i}": i}) for i in range(600)]
    assert [handle.result(SECONDS) for handle in handles] == [2 * i for i in range(600)]
    assert controller.collect() is not None


# ── What cannot run is refused at the call ─────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "1 +",
        "for",
        "x = = 1",
        "return 1",
        "yield 1",
        "await f()",
        "break",
        "if True:\nx = 1",
        "def f(:\n    pass",
        "'unclosed",
        "x = 1\n  y = 2",
        "\0",
    ],
)
def test_text_that_does_not_parse(controller: crew.Controller, text: str) -> None:
    with pytest.raises(crew.ConfigError, match="the command"):
        controller.push(text)
    with pytest.raises(crew.ConfigError, match="the command"):
        controller.walk(text, iterate={"a": [1]})
    with pytest.raises(crew.ConfigError, match="the command"):
        controller.map(text, iterate={"a": [1]})
    assert controller.empty


def test_the_error_shows_where_it_does_not_parse(controller: crew.Controller) -> None:
    with pytest.raises(crew.ConfigError, match=r"line 2(?s:.*)y = = 2"):
        controller.push("x = 1\ny = = 2")


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"data": {"not a name": 1}}, crew.ConfigError, "not a name"),
        ({"data": {"class": 1}}, crew.ConfigError, "class"),
        ({"data": {1: 1}}, TypeError, "string"),
        ({"data": [1]}, TypeError, "dict"),
        ({"globals": [1]}, TypeError, "dict"),
        ({"globals": {"not a name": 1}}, crew.ConfigError, "not a name"),
        ({"args": (1,)}, crew.ConfigError, "positional"),
        ({"packages": "math"}, TypeError, "list"),
        ({"packages": ["not a name"]}, crew.ConfigError, "not a name"),
    ],
)
def test_options_that_cannot_be(
    controller: crew.Controller, options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        controller.push("1", **options)
    assert controller.empty
