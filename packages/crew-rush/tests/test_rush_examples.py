"""Everything public has an example in its docstring, and each example runs as it stands."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Iterator
from typing import Any

import pytest

import crew_core as crew
import crew_rush

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def public_names() -> Iterator[tuple[str, Any]]:
    for name in crew_rush.__all__:
        thing = getattr(crew_rush, name)
        yield name, thing
        if inspect.isclass(thing):
            yield from methods(thing, name)


def methods(cls: type, path: str) -> Iterator[tuple[str, Any]]:
    for home in cls.__mro__:
        if home.__module__.startswith("crew_rush"):
            for name, member in vars(home).items():
                code = inspect.isfunction(member) or isinstance(member, property)
                if code and not name.startswith("_"):
                    yield f"{path}.{name}", member


NAMES = dict(public_names())


@pytest.fixture
def _one_store_for_all(
    memory_store: crew_rush.EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Spares each example a process of its own; its workers end with it all the same."""
    leave = crew_rush.Rush.__exit__

    def reset_and_leave(rush: crew_rush.Rush, *error: Any) -> None:
        rush.reset()
        leave(rush, *error)

    monkeypatch.setattr(crew_rush.Rush, "__exit__", reset_and_leave)
    crew_rush.plan(store=memory_store, seconds_start=100.0)
    yield
    crew_rush.remove_plan()


@pytest.mark.usefixtures("_one_store_for_all")
@pytest.mark.parametrize("path", NAMES)
def test_example_runs(path: str) -> None:
    text = inspect.getdoc(NAMES[path]) or ""
    assert ">>>" in text, "it has no example"
    example = doctest.DocTestParser().get_doctest(text, {"crew": crew}, path, None, None)
    told: list[str] = []
    doctest.DocTestRunner(optionflags=OPTIONS).run(example, out=told.append)
    assert not told, "".join(told)


def test_names_are_all_of_them_in_order() -> None:
    assert sorted(crew_rush.__all__) == list(crew_rush.__all__)
