"""Whatever can be called can be a task, wherever it was defined."""

from __future__ import annotations

import asyncio
import functools
import math
import operator
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import crew_core as crew

SECONDS = 60

Open = Callable[..., AbstractContextManager[crew.Controller]]


@pytest.fixture(scope="module")
def controller(open_controller: Open) -> Iterator[crew.Controller]:
    with open_controller(workers=1) as controller:
        yield controller


@pytest.fixture
def call(controller: crew.Controller) -> Callable[..., Any]:
    def call(command: Callable[..., Any], *args: Any, **data: Any) -> Any:
        value = controller.push(command, args, data, name="call").result(SECONDS)
        record = controller.pop()
        assert record is not None
        assert record.pid != os.getpid()
        return value

    return call


# ── Of this module, which no worker can import ─────────────────────────────────────────────────

OFFSET = 100


def add(a: int, b: int = 1, *, c: int = 0) -> int:
    return a + b + c


def add_offset(a: int) -> int:
    return add(a, OFFSET)


def factorial(n: int) -> int:
    return 1 if n == 0 else n * factorial(n - 1)


def doubled(function: Callable[..., int]) -> Callable[..., int]:
    @functools.wraps(function)
    def wrapper(*args: int, **kwargs: int) -> int:
        return 2 * function(*args, **kwargs)

    return wrapper


@doubled
def decorated(a: int) -> int:
    return add_offset(a)


async def add_later(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


class Colour(Enum):
    RED = 1
    BLUE = 2


class Pair(NamedTuple):
    left: int
    right: int


@dataclass
class Point:
    x: int
    y: int = 0
    tags: list[str] = field(default_factory=list)

    def shifted(self, by: int) -> Point:
        return Point(self.x + by, self.y + by, [*self.tags, "shifted"])

    async def shifted_later(self, by: int) -> Point:
        await asyncio.sleep(0)
        return self.shifted(by)

    @classmethod
    def origin(cls) -> Point:
        return cls(0)

    @staticmethod
    def sum(a: Point, b: Point) -> Point:
        return Point(a.x + b.x, a.y + b.y)

    def __call__(self, scale: int) -> Point:
        return Point(self.x * scale, self.y * scale)


class Tagged(Point):
    def shifted(self, by: int) -> Point:
        return super().shifted(by + 1)


class OddError(Exception):
    pass


def refuse(number: int) -> int:
    if number % 2:
        raise OddError(f"{number} is odd")
    return number


def test_a_function_with_arguments_of_all_kinds(call: Callable[..., Any]) -> None:
    assert call(add, 1) == 2
    assert call(add, 1, 2, c=3) == 6
    assert call(add, a=1, b=5) == 6


def test_a_function_takes_along_what_it_uses(call: Callable[..., Any]) -> None:
    assert call(add_offset, 1) == 101
    assert call(factorial, 20) == math.factorial(20)
    assert call(decorated, 1) == 202


def test_a_function_sees_its_module_as_it_is_at_the_push(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(add_offset, 1) == 101
    monkeypatch.setitem(globals(), "OFFSET", 200)
    assert call(add_offset, 1) == 201


def test_closures_and_lambdas(call: Callable[..., Any]) -> None:
    base = 10
    squares = [lambda i=i: i * i for i in range(3)]

    def add_base(a: int) -> int:
        return a + base

    def recursive(n: int) -> int:
        return n if n == 0 else 1 + recursive(n - 1)

    assert call(add_base, 1) == 11
    base = 20
    assert call(add_base, 1) == 21
    assert call(recursive, 5) == 5
    assert [call(square) for square in squares] == [0, 1, 4]
    assert call(lambda *args, **kwargs: (args, kwargs), 1, 2, a=3) == ((1, 2), {"a": 3})


def test_what_a_task_changes_stays_there(call: Callable[..., Any]) -> None:
    seen: list[int] = []

    def append(value: int) -> list[int]:
        seen.append(value)
        return seen

    assert call(append, 1) == [1]
    assert seen == []


def test_methods(call: Callable[..., Any]) -> None:
    point = Point(1, 2, ["a"])
    assert call(point.shifted, 3) == Point(4, 5, ["a", "shifted"])
    assert call(Tagged(1, 2).shifted, 3) == Point(5, 6, ["shifted"])
    assert call(Point.shifted, point, 1) == Point(2, 3, ["a", "shifted"])
    assert call(Point.origin) == Point(0, 0)
    assert call(Tagged.origin) == Tagged(0, 0)
    assert call(Point.sum, point, point) == Point(2, 4)
    assert call("a-b".split, "-") == ["a", "b"]
    assert call([3, 1, 2].index, 2) == 2
    assert point == Point(1, 2, ["a"])


def test_classes_and_callable_objects(call: Callable[..., Any]) -> None:
    assert call(Point, 1, y=2) == Point(1, 2)
    assert call(Point(1, 2), 10) == Point(10, 20)
    assert call(dict, a=1) == {"a": 1}
    assert call(operator.itemgetter(1), "abc") == "b"
    assert call(operator.methodcaller("upper"), "abc") == "ABC"


def test_partials(call: Callable[..., Any]) -> None:
    assert call(functools.partial(add, 1, c=5), 2) == 8
    assert call(functools.partial(pow, 2), 10) == 1024
    assert call(functools.partial(functools.partial(add, 1), 2), c=3) == 6
    assert call(functools.partial(Point(1, 2).shifted, 3)) == Point(4, 5, ["shifted"])


def test_builtins_and_functions_of_libraries(call: Callable[..., Any]) -> None:
    assert call(len, [1, 2, 3]) == 3
    assert call(sum, [1, 2, 3], start=4) == 10
    assert call(int, "ff", base=16) == 255
    assert call(str.upper, "abc") == "ABC"
    assert call(math.hypot, 3, 4) == 5
    assert call(np.linalg.norm, np.array([3.0, 4.0])) == 5
    assert call(np.add, 1, 2) == 3


def test_async_functions(call: Callable[..., Any]) -> None:
    async def nested(a: int) -> int:
        return await add_later(a, 1) + await add_later(a, 2)

    assert call(add_later, 1, 2) == 3
    assert call(nested, 1) == 5
    assert call(functools.partial(add_later, 1), 2) == 3
    assert call(Point(1, 2).shifted_later, 3) == Point(4, 5, ["shifted"])


def test_an_async_function_that_raises(controller: crew.Controller) -> None:
    async def fail() -> int:
        await asyncio.sleep(0)
        raise KeyError("late")

    handle: crew.Task[Any] = controller.push(fail)
    with pytest.raises(KeyError, match="late"):
        handle.result(SECONDS)
    assert controller.pop() is not None


def test_types_of_ours_go_there_and_back(call: Callable[..., Any]) -> None:
    def same(value: Any) -> Any:
        return value

    values = [Point(1, 2), Tagged(3), Colour.RED, Pair(1, 2), {Pair(1, 2): [Colour.BLUE]}, OddError]
    for value in values:
        found = call(same, value)
        assert found == value
        assert type(found) is type(value)
    assert call(same, Colour.RED) is Colour.RED
    assert call(same, Point) is Point


def test_an_exception_of_ours_comes_back(controller: crew.Controller) -> None:
    with pytest.raises(OddError, match="3 is odd"):
        controller.push(refuse, (3,)).result(SECONDS)
    record = controller.pop()
    assert record is not None
    assert type(record.exception) is OddError


def test_map_of_a_function_of_ours(controller: crew.Controller) -> None:
    table = controller.map(
        lambda a, b, c: a + b + c, iterate={"a": [1, 3], "b": [2, 4]}, data={"c": 5}
    )
    assert list(table["result"]) == [8, 12]
    table = controller.map(refuse, iterate={"number": [2, 3, 4]}, error="silent")
    assert list(table["status"]) == ["success", "error", "success"]


def test_globals_reach_functions_shipped_by_value(controller: crew.Controller) -> None:
    given = controller.push(add_offset, (1,), name="given", globals={"OFFSET": 7})
    own = controller.push(add_offset, (1,), name="own")
    assert (given.result(SECONDS), own.result(SECONDS)) == (8, 101)
    table = controller.collect()
    assert table is not None
    assert list(table["name"]) == ["given", "own"]


def test_what_is_not_callable_is_refused_at_the_call(controller: crew.Controller) -> None:
    with pytest.raises(TypeError, match="callable or a string"):
        controller.push(3)  # type: ignore[call-overload]  # the test
    with pytest.raises(crew.SerializationError, match="lock"):
        controller.push(add, (_lock(),))
    with pytest.raises(crew.SerializationError, match="its variable 'lock'"):
        controller.push(_uses_lock())
    assert controller.empty


def _lock() -> Any:
    import threading

    return threading.Lock()


def _uses_lock() -> Callable[[], bool]:
    lock = _lock()
    return lambda: bool(lock.locked())


# ── Scripts ────────────────────────────────────────────────────────────────────────────────────

SCRIPT = """
    import functools
    from dataclasses import dataclass
    from enum import Enum

    import crew_core as crew

    factor = 3


    class Kind(Enum):
        A = 1


    class Refused(Exception):
        pass


    @dataclass
    class Point:
        x: int
        y: int

        def scaled(self, by):
            return Point(self.x * by, self.y * by)


    def scale(point, by=None):
        return point.scaled(factor if by is None else by)


    async def later(kind):
        return kind


    def refuse():
        raise Refused("no")


    controller = crew.controller("local", workers=2)
    point = Point(1, 2)
    assert controller.submit(scale, point).result(60) == Point(3, 6)
    factor = 4
    assert controller.submit(scale, point).result(60) == Point(4, 8)
    assert controller.submit(functools.partial(scale, by=5), point).result(60) == Point(5, 10)
    assert controller.submit(point.scaled, 6).result(60) == Point(6, 12)
    assert controller.submit(lambda p: p.x + factor, point).result(60) == 5
    assert controller.submit(later, Kind.A).result(60) is Kind.A
    try:
        controller.submit(refuse).result(60)
    except Refused as error:
        assert str(error) == "no"
    else:
        raise AssertionError("nothing was raised")
    table = controller.map(scale, iterate={"by": [1, 2, 3]}, data={"point": point})
    assert list(table["result"]) == [Point(1, 2), Point(2, 4), Point(3, 6)]
    controller.terminate()
    print("all is well")
"""


@pytest.fixture
def folder(tmp_path: Path, open_controller: Open) -> Path:
    """A folder for scripts; whose workers keep their files to themselves, too."""
    folder = tmp_path / "scripts"
    folder.mkdir()
    return folder


def run_python(*argv: str, cwd: Path, stdin: str | None = None) -> str:
    """What a Python printed; it must succeed, and have nothing to complain of."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *argv],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=SECONDS * 2,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("way", ["file", "module", "command", "stdin"])
def test_what_a_script_defines(folder: Path, way: str) -> None:
    """There is no ``if __name__ == "__main__"``: workers do not import the script."""
    text = textwrap.dedent(SCRIPT)
    (folder / "script.py").write_text(text)
    ways: dict[str, list[str]] = {
        "file": ["script.py"],
        "module": ["-m", "script"],
        "command": ["-c", text],
        "stdin": ["-"],
    }
    out = run_python(*ways[way], cwd=folder, stdin=text if way == "stdin" else None)
    assert out == "all is well\n"


def test_what_a_module_next_to_the_script_defines(folder: Path, tmp_path: Path) -> None:
    (folder / "neighbour.py").write_text(
        textwrap.dedent(
            """
            import os
            from dataclasses import dataclass

            STATE = []


            @dataclass
            class Box:
                content: int


            def pack(content):
                STATE.append(content)
                return Box(content + len(STATE)), __name__, os.getpid()
            """
        )
    )
    (folder / "script.py").write_text(
        textwrap.dedent(
            """
            import os
            import crew_core as crew
            import neighbour

            with crew.controller("local", workers=1) as controller:
                box, name, pid = controller.submit(neighbour.pack, 1).result(60)
                assert type(box) is neighbour.Box
                assert (box.content, name, pid == os.getpid()) == (2, "neighbour", False)
                # The module was imported, so its state stays from task to task.
                box, _, _ = controller.submit(neighbour.pack, 1).result(60)
                assert box.content == 3
                assert controller.submit(lambda: neighbour.Box(7)).result(60) == neighbour.Box(7)
            print("all is well")
            """
        )
    )
    assert run_python(str(folder / "script.py"), cwd=tmp_path) == "all is well\n"


@pytest.mark.parametrize("elsewhere", [False, True], ids=["in its directory", "elsewhere"])
def test_what_a_task_imports_from_a_folder_without_init_is_the_caller_s(
    folder: Path, tmp_path: Path, elsewhere: bool
) -> None:
    """Also where worker and caller run in the directory above that folder."""
    (folder / "parts").mkdir()
    (folder / "parts" / "refusals.py").write_text("class Refused(Exception): pass\n")
    (folder / "script.py").write_text(
        textwrap.dedent(
            """
            import crew_core as crew
            from parts.refusals import Refused

            def refuse():
                from parts import refusals
                raise refusals.Refused("no")

            with crew.controller("local", workers=1) as controller:
                assert type(controller.submit(refuse).exception(60)) is Refused
                assert controller.submit(lambda: Refused).result(60) is Refused
            print("all is well")
            """
        )
    )
    out = run_python(str(folder / "script.py"), cwd=tmp_path if elsewhere else folder)
    assert out == "all is well\n"


def test_the_working_directory_is_the_caller_s(folder: Path) -> None:
    (folder / "data.txt").write_text("here")
    (folder / "script.py").write_text(
        textwrap.dedent(
            """
            import crew_core as crew

            with crew.controller("local", workers=1) as controller:
                print(controller.submit(lambda: open("data.txt").read()).result(60))
            """
        )
    )
    assert run_python("script.py", cwd=folder) == "here\n"


# ── Notebooks ──────────────────────────────────────────────────────────────────────────────────

CELLS = [
    """
    import crew_core as crew
    controller = crew.controller("local", workers=2)
    base = 10
    """,
    """
    class Box:
        def __init__(self, content):
            self.content = content


    def pack(content):
        return Box(content + base)
    """,
    """
    table = controller.map(pack, iterate={"content": [1, 2, 3]}, names="content")
    [box.content for box in table["result"]], all(type(box) is Box for box in table["result"])
    """,
    """
    def pack(content):  # defined again
        return Box(content * base)

    [box.content for box in controller.map(pack, iterate={"content": [1, 2]})["result"]]
    """,
    """
    await controller.submit(pow, 2, 10)
    """,
    """
    controller.terminate()
    """,
]

NOTEBOOK = """
    import sys, nbclient, nbformat
    from traitlets.config import Config

    # Not over ports, which are chosen first and bound by the kernel later.
    config = Config()
    config.KernelManager.transport = "ipc"
    notebook = nbformat.v4.new_notebook()
    cells = sys.stdin.read().split("%%")
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3", config=config).execute()
    for cell in notebook.cells:
        for output in cell.outputs:
            if output.output_type == "execute_result":
                print(output.data["text/plain"])
"""


def test_what_a_notebook_s_cells_define(folder: Path) -> None:
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(NOTEBOOK)],
        cwd=folder,
        input="%%".join(textwrap.dedent(cell).strip() for cell in CELLS),
        capture_output=True,
        text=True,
        timeout=SECONDS * 2,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["([11, 12, 13], True)", "[10, 20]", "1024"]
