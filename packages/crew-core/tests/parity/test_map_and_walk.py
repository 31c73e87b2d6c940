"""``map`` and ``walk``: one task for each element, in the order of the input."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

import crew_core as crew

Make = Callable[..., crew.Controller]

SECONDS = 60


def error_of(controller: crew.Controller) -> object:
    """A call, as mypy keeps what it knows of a property."""
    return controller.error


FAIL = "import warnings\nwarnings.warn('w')\nraise ValueError(f'failed {x}')"


def test_walk_returns_futures_and_sees_data_globals_and_elements(
    controller: crew.Controller,
) -> None:
    handles = controller.walk(
        "x + y + a + b", {"x": [1, 2], "y": [3, 4]}, data={"a": 10}, globals={"b": 100}
    )
    assert all(isinstance(handle, Future) for handle in handles.values())
    assert [handle.result(SECONDS) for handle in handles.values()] == [114, 116]
    assert controller.size == 2
    table = controller.collect()
    assert table is not None
    assert sorted(table["result"]) == [114, 116]


def test_map_gives_the_table_of_collect_in_the_order_of_the_input(
    controller: crew.Controller,
) -> None:
    controller.push("1").result(SECONDS)
    collected = controller.collect()
    table = controller.map(
        "x + y", {"x": list(range(50)), "y": [0] * 50}, seed=1, save_command=True
    )
    assert collected is not None
    assert list(table.columns) == list(collected.columns)
    assert table["result"].tolist() == list(range(50))
    assert table["name"].nunique() == 50
    assert (table["command"] == "x + y").all()
    assert table["error"].isna().all()
    assert (table["controller"] == controller.name).all()
    assert controller.empty


def test_names_may_be_one_of_the_lists(controller: crew.Controller) -> None:
    table = controller.map("x", {"x": [1, 2], "id": ["a", "b"]}, names="id")
    assert table["name"].tolist() == ["a", "b"]
    with pytest.raises(crew.ConfigError):
        controller.map("x", {"x": [1, 2], "id": ["a", "a"]}, names="id")


def test_the_users_seed_decides_and_each_task_has_its_own(controller: crew.Controller) -> None:
    """In the original every seed gave the same numbers."""
    text = "import random\nrandom.random()"
    first, again, other = (
        controller.map(text, {"x": [1, 2, 3]}, seed=seed) for seed in (123, 123, 456)
    )
    assert first["result"].tolist() == again["result"].tolist()
    assert set(first["result"]).isdisjoint(other["result"])
    assert first["result"].nunique() == first["seed"].nunique() == 3


def test_a_failure_stops_and_leaves_the_table_in_error(make: Make) -> None:
    controller = make()
    controller.push("1")
    assert controller.wait(seconds_timeout=SECONDS)
    controller.collect()
    before = controller.summary()[["error", "warnings"]].sum().tolist()
    with (
        pytest.raises(crew.TaskError, match="failed 1"),
        pytest.warns(crew.TaskWarning, match="2 tasks"),
    ):
        controller.map(FAIL, {"x": [1, 2], "id": ["a", "b"]}, names="id")
    assert controller.error is not None
    assert controller.error["name"].tolist() == ["a", "b"]
    controller.error = None  # refused by the original, against its documentation
    assert error_of(controller) is None
    with pytest.warns(crew.TaskWarning, match="failed 1"):
        table = controller.map(FAIL, {"x": [1, 2]}, error="warn", warnings=False)
    for column in ("error", "trace", "warnings"):
        assert table[column].notna().all()
    assert table["result"].isna().all()
    controller.map(FAIL, {"x": [1, 2]}, error="silent", warnings=False)
    assert error_of(controller) is None
    after = controller.summary()[["error", "warnings"]].sum().tolist()
    assert [b - a for a, b in zip(before, after, strict=True)] == [6, 6]


def test_warnings_are_told_in_one_warning_unless_unwanted(controller: crew.Controller) -> None:
    text = "import warnings\nwarnings.warn('look out')"
    with pytest.warns(crew.TaskWarning, match="look out") as told:
        controller.map(text, {"x": [1, 2, 3]})
    assert sum(issubclass(warning.category, crew.TaskWarning) for warning in told) == 1
    controller.map(text, {"x": [1, 2, 3]}, warnings=False)


def test_map_starts_the_controller_and_needs_it_empty(make: Make, gate: Any) -> None:
    controller = make()
    assert not controller.started
    assert controller.map("x", {"x": [1]})["result"].tolist() == [1]
    controller.push("1").result(SECONDS)
    with pytest.raises(crew.ConfigError, match="not popped"):
        controller.map("x", {"x": [1]})


def test_a_crash_in_map_loses_neither_the_other_rows_nor_the_next_map(make: Make) -> None:
    """In the original it raised, kept the rows to itself, and refused every later map."""
    controller = make(workers=2, crashes_max=0)
    text = "import os\nos._exit(1) if x == 2 else x"
    with pytest.raises(crew.TaskError):
        controller.map(text, {"x": [1, 2, 3]})
    assert controller.error is not None
    assert controller.error["status"].tolist() == ["success", "crash", "success"]
    assert controller.empty
    assert controller.map("x", {"x": [1]})["result"].tolist() == [1]
    assert controller.summary()["seconds"].notna().all()


def test_a_timeout_in_map_is_a_row(controller: crew.Controller, gate: Any) -> None:
    table = controller.map(gate.hold, {"value": [1, 2]}, seconds_timeout=0.1, error="silent")
    assert table["status"].tolist() == ["timeout", "timeout"]
    assert controller.empty


@pytest.mark.parametrize("tasks", [600])
def test_exact_counts_of_errors_and_warnings_in_order(
    controller: crew.Controller, tasks: int
) -> None:
    text = (
        "import warnings\n"
        "if x % 2: warnings.warn(f'warned {x}')\n"
        "if x % 6 == 0: raise ValueError(f'failed {x}')\n"
        "x"
    )
    for _ in range(3):
        with pytest.warns(crew.TaskWarning, match=f"{tasks // 2} tasks"):
            table = controller.map(text, {"x": list(range(tasks))}, error="silent")
        failed = table["status"] == "error"
        assert failed.tolist() == [x % 6 == 0 for x in range(tasks)]
        assert table["result"][~failed].tolist() == [x for x in range(tasks) if x % 6]
        assert table["warnings"].notna().sum() == tasks // 2


def test_map_with_workers_of_one_task_each(make: Make) -> None:
    controller = make(workers=4, tasks_max=1)
    table = controller.map("import os\nos.getppid()", {"x": list(range(12))})
    assert table["result"].nunique() == table["instance"].nunique() == 12


def test_map_while_other_tasks_run(controller: crew.Controller, gate: Any) -> None:
    """Tasks that are consumed through their futures do not stand in its way."""
    other = controller.submit(gate.hold, "other")
    gate.wait_for(1)
    assert controller.map("x", {"x": [1, 2]})["result"].tolist() == [1, 2]
    gate.open()
    assert other.result(SECONDS) == "other"
