"""Everything public has an example in its docstring, and each example runs as it stands.

An example may use ``crew`` and ``controller``, an empty local controller with two workers.
"""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import crew_core as crew
from crew_core import plugins, services, testing

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

# Values, and an object whose text is pluggy's own.
WITHOUT = {"crew.__version__", "plugins.JOB_COLUMNS", "plugins.hookimpl"}


def public_names() -> Iterator[tuple[str, Any]]:
    doors = {"crew": crew, "plugins": plugins, "services": services, "testing": testing}
    for name, door in doors.items():
        yield from members(door, name)


def members(door: ModuleType, path: str) -> Iterator[tuple[str, Any]]:
    for name in door.__all__:
        thing = getattr(door, name)
        yield f"{path}.{name}", thing
        if inspect.isclass(thing):
            yield from methods(thing, f"{path}.{name}")


def methods(cls: type, path: str) -> Iterator[tuple[str, Any]]:
    """Public methods and properties that are written in crew, inherited ones as well."""
    seen = set()
    for home in cls.__mro__:
        if not home.__module__.startswith("crew_core"):
            continue
        for name, member in vars(home).items():
            check = name.startswith("test_")  # of a conformance suite, for pytest to call
            if name.startswith("_") or check or name in seen or not is_code(member):
                continue
            seen.add(name)
            yield f"{path}.{name}", member


def is_code(member: object) -> bool:
    return inspect.isfunction(member) or isinstance(member, property | classmethod | staticmethod)


def docstring(thing: Any) -> str:
    return inspect.getdoc(thing) or ""


THINGS = {path: thing for path, thing in public_names() if path not in WITHOUT}
PARSER = doctest.DocTestParser()
EXAMPLES = {path: thing for path, thing in THINGS.items() if PARSER.get_examples(docstring(thing))}


def code_of(path: str) -> str:
    return "".join(e.source for e in PARSER.get_examples(docstring(THINGS[path])))


@pytest.fixture
def namespace(
    controller: crew.Controller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, object]:
    """What an example finds; files that it makes go to a folder of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return {"crew": crew, "controller": controller}


@pytest.mark.parametrize("path", EXAMPLES)
def test_an_example_runs_as_it_stands(path: str, namespace: dict[str, object]) -> None:
    test = PARSER.get_doctest(docstring(EXAMPLES[path]), namespace, path, None, 0)
    told: list[str] = []
    tell: Callable[[str], Any] = told.append
    doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=tell)
    assert told == [], "".join(told)


def in_use(path: str) -> bool:
    """An example of its own, or its name in one of its class."""
    if path in EXAMPLES:
        return True
    home, _, name = path.rpartition(".")
    family = [other for other in EXAMPLES if other == home or other.startswith(f"{home}.")]
    code = "".join(code_of(other) for other in family)
    return f".{name}" in code or f"def {name}(" in code


@pytest.mark.parametrize("path", THINGS)
def test_everything_public_has_an_example(path: str) -> None:
    assert docstring(THINGS[path])
    assert in_use(path), f"{path} is in no example of its own docstring or of its class's"
