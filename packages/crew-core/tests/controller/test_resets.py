"""What is put back between two tasks of a worker, and what stays."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew

Make = Callable[..., crew.Controller]

SECONDS = 30

COUNTER = 0


def count() -> int:
    global COUNTER  # noqa: PLW0603  (what is tested)
    COUNTER += 1
    return COUNTER


def change_options() -> None:
    os.environ["CREW_TEST_NEW"] = "new"
    os.environ["CREW_TEST_CHANGED"] = "changed"
    os.environ.pop("CREW_TEST_GONE")
    os.chdir("/")
    warnings.simplefilter("error")
    logging.getLogger().setLevel(logging.CRITICAL)
    logging.disable(logging.CRITICAL)


def look_at_options() -> dict[str, Any]:
    names = ("CREW_TEST_NEW", "CREW_TEST_CHANGED", "CREW_TEST_GONE")
    return {
        "environment": [os.environ.get(name) for name in names],
        "directory": os.getcwd(),
        "filters": warnings.filters[0][0] if warnings.filters else None,
        "level": logging.getLogger().level,
        "disabled": logging.root.manager.disable,
    }


@contextmanager
def one_worker(**options: Any) -> Iterator[Callable[..., Any]]:
    """Runs commands one after the other, all in one task process."""
    with crew.controller("local", workers=1, **options) as controller:
        pids: set[int | None] = {controller.push(os.getpid).result(SECONDS)}

        def run(*args: Any, **kwargs: Any) -> Any:
            handle = controller.push(*args, **kwargs)
            value = handle.result(SECONDS)
            assert handle.record is not None
            pids.add(handle.record.pid)
            return value

        yield run
        assert len(pids) == 1


@pytest.fixture(scope="module")
def default(state_home: Path) -> Iterator[Callable[..., Any]]:
    with one_worker() as run:
        yield run


@pytest.fixture(scope="module")
def nothing(state_home: Path) -> Iterator[Callable[..., Any]]:
    with one_worker(reset_globals=False) as run:
        yield run


@pytest.fixture(scope="module")
def everything(state_home: Path) -> Iterator[Callable[..., Any]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CREW_TEST_CHANGED", "before")
        patch.setenv("CREW_TEST_GONE", "there")
        with one_worker(reset_packages=True, reset_options=True, garbage_collection=True) as run:
            yield run


# ── Global names ───────────────────────────────────────────────────────────────────────────────


def test_global_names_that_text_makes_go_with_its_task(default: Callable[..., Any]) -> None:
    assert default("global made\nmade = 1\nmade") == 1
    with pytest.raises(NameError, match="made"):
        default("made")


def test_global_names_stay_without_reset_globals(nothing: Callable[..., Any]) -> None:
    assert nothing("global made\nmade = 1\nmade") == 1
    assert nothing("made") == 1


def test_names_that_text_assigns_are_its_own_in_any_case(nothing: Callable[..., Any]) -> None:
    assert nothing("local = 1\nlocal") == 1
    with pytest.raises(NameError, match="local"):
        nothing("local")


def test_changed_globals_of_a_function_get_their_value_back(default: Callable[..., Any]) -> None:
    assert [default(count) for _ in range(3)] == [1, 1, 1]


def test_changed_globals_of_a_function_stay_without_reset_globals(
    nothing: Callable[..., Any],
) -> None:
    assert [nothing(count) for _ in range(3)] == [1, 2, 3]
    assert COUNTER == 0  # this process has its own


def test_given_globals_do_not_reach_the_next_task(default: Callable[..., Any]) -> None:
    def look() -> Any:
        return given  # type: ignore[name-defined]  # noqa: F821

    assert default("given", globals={"given": 1}) == 1
    with pytest.raises(NameError, match="given"):
        default("given")
    assert default(look, globals={"given": 2}) == 2
    with pytest.raises(NameError, match="given"):
        default(look)


def test_given_globals_do_not_reach_the_client(default: Callable[..., Any]) -> None:
    import __main__

    before = set(vars(__main__)), set(globals())
    default("given", globals={"given": 1})
    default(count, globals={"COUNTER": 5})
    assert (set(vars(__main__)), set(globals())) == before
    assert COUNTER == 0


def test_each_task_gets_the_globals_it_was_given(default: Callable[..., Any]) -> None:
    assert [default("given", globals={"given": i}) for i in (1, 2, 1)] == [1, 2, 1]
    assert default(count, globals={"COUNTER": 5}) == 6
    assert default(count) == 1


def test_a_task_that_failed_leaves_no_names_either(default: Callable[..., Any]) -> None:
    with pytest.raises(ZeroDivisionError):
        default("global made\nmade = 1\n1 / 0")
    with pytest.raises(NameError, match="made"):
        default("made")


# ── Packages ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def package(tmp_path: Path) -> str:
    """The folder of a module that counts its imports."""
    (tmp_path / "counted_module.py").write_text("NUMBERS = []\n")
    return str(tmp_path)


TEXT = """
import sys
sys.path.insert(0, folder)
import counted_module
counted_module.NUMBERS.append(1)
len(counted_module.NUMBERS)
"""


def test_modules_stay_imported(default: Callable[..., Any], package: str) -> None:
    assert [default(TEXT, data={"folder": package}) for _ in range(2)] == [1, 2]


def test_reset_packages_imports_modules_afresh(
    everything: Callable[..., Any], package: str
) -> None:
    assert [everything(TEXT, data={"folder": package}) for _ in range(2)] == [1, 1]
    assert everything("'counted_module' in sys.modules", packages=["sys"]) is False


def test_reset_packages_leaves_the_standard_library_and_compiled_packages_alone(
    everything: Callable[..., Any],
) -> None:
    text = "import sys, fractions, numpy\n(id(fractions), id(numpy))"
    assert everything(text) == everything(text)


# ── Options of the process ─────────────────────────────────────────────────────────────────────


def test_reset_options_restores_them_all(everything: Callable[..., Any]) -> None:
    before = everything(look_at_options)
    assert before["environment"] == [None, "before", "there"]
    everything(change_options)
    assert everything(look_at_options) == before


def test_options_stay_changed_without_it(state_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREW_TEST_GONE", "there")
    with one_worker() as run:
        run(change_options)
        assert run(look_at_options) == {
            "environment": ["new", "changed", None],
            "directory": "/",
            "filters": "error",
            "level": logging.CRITICAL,
            "disabled": logging.CRITICAL,
        }


def test_options_of_a_task_that_failed_are_restored_too(everything: Callable[..., Any]) -> None:
    with pytest.raises(ZeroDivisionError):
        everything("import os\nos.environ['CREW_TEST_NEW'] = 'new'\n1 / 0")
    assert everything(look_at_options)["environment"][0] is None


# ── Garbage ────────────────────────────────────────────────────────────────────────────────────

CYCLE = """
import weakref

class Node:
    pass

node = Node()
node.itself = node
builtins.crew_test_node = weakref.ref(node)
"""


def test_garbage_collection_collects_between_tasks(
    everything: Callable[..., Any], default: Callable[..., Any]
) -> None:
    for run, collected in [(everything, True), (default, False)]:
        run("gc.disable()", packages=["gc"])
        run(CYCLE, packages=["builtins"])
        assert run("builtins.crew_test_node() is None", packages=["builtins"]) is collected


# ── The client's own ───────────────────────────────────────────────────────────────────────────


def test_local_workers_have_the_callers_directory_environment_and_path(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module_of_the_caller.py").write_text("NAME = 'found'\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CREW_TEST_NEW", "from the caller")
    monkeypatch.syspath_prepend(str(tmp_path))
    controller = make(workers=1)
    assert controller.push(os.getcwd).result(SECONDS) == str(tmp_path)
    assert controller.push(os.getenv, ("CREW_TEST_NEW",)).result(SECONDS) == "from the caller"
    text = "module_of_the_caller.NAME"
    handle = controller.push(text, packages=["module_of_the_caller"])
    assert handle.result(SECONDS) == "found"
