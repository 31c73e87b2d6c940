"""``map`` and ``walk``: one task for each element of some lists."""

from __future__ import annotations

import io
import random
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from typing import Any

import numpy as np
import pandas as pd
import pytest

import crew_core as crew
from crew_core._controller.progress import wait_showing
from crew_core._controller.waiting import wait_until

Make = Callable[..., crew.Controller]

SECONDS = 30


def twice(x: int) -> int:
    return 2 * x


def odd_ones_fail(x: int) -> int:
    if x % 2:
        raise ValueError(f"{x} is odd")
    return x


def last_ones_first(x: int, of: int) -> int:
    time.sleep(0.02 * (of - x))
    return x


def warn(x: int) -> int:
    warnings.warn(f"careful with {x}", UserWarning, stacklevel=1)
    return x


# ── The numbers of the README ──────────────────────────────────────────────────────────────────


def test_map_takes_text(controller: crew.Controller) -> None:
    table = controller.map(
        "a + b + c + d", iterate={"a": [1, 3], "b": [2, 4]}, data={"c": 5}, globals={"d": 6}
    )
    assert list(table["result"]) == [14, 18]


def test_map_takes_a_function(controller: crew.Controller) -> None:
    table = controller.map(
        lambda a, b, c: a + b + c, iterate={"a": [1, 3], "b": [2, 4]}, data={"c": 5}
    )
    assert list(table["result"]) == [8, 12]


# ── What map returns ───────────────────────────────────────────────────────────────────────────


def test_rows_are_in_the_order_of_the_input(controller: crew.Controller) -> None:
    table = controller.map(last_ones_first, {"x": [0, 1, 2, 3, 4, 5]}, data={"of": 5})
    assert list(table["result"]) == [0, 1, 2, 3, 4, 5]
    assert list(table.index) == [0, 1, 2, 3, 4, 5]


def test_the_table_is_that_of_collect_and_the_controller_is_empty_afterwards(
    controller: crew.Controller,
) -> None:
    popped = controller.popped
    table = controller.map(twice, {"x": [1, 2]}, save_command=True, seed=1, algorithm="PCG64")
    controller.push(twice, (1,)).result(SECONDS)
    collected = controller.collect()
    assert collected is not None
    assert list(table.columns) == list(collected.columns)
    assert list(table["status"]) == ["success", "success"]
    assert list(table["algorithm"]) == ["PCG64", "PCG64"]
    assert all("twice" in command for command in table["command"])
    assert set(table["controller"]) == {controller.name}
    assert controller.empty
    assert controller.popped == popped + 3


def test_two_thousand_small_tasks_come_back_in_order(controller: crew.Controller) -> None:
    table = controller.map(twice, {"x": range(2000)})
    assert list(table["result"]) == list(range(0, 4000, 2))
    assert table["name"].is_unique


def test_map_starts_the_controller(make: Make) -> None:
    controller = make(workers=1)
    assert list(controller.map(twice, {"x": [1]})["result"]) == [2]
    assert controller.started


def test_any_sequence_can_be_iterated_over(controller: crew.Controller) -> None:
    columns: list[Any] = [(1, 2), range(1, 3), np.array([1, 2]), pd.Series([1, 2], index=[7, 8])]
    for values in columns:
        assert list(controller.map(twice, {"x": values})["result"]) == [2, 4]


def test_nothing_to_do_is_a_table_without_rows(controller: crew.Controller) -> None:
    table = controller.map(twice, {"x": []})
    assert len(table) == 0
    assert "result" in table.columns
    assert controller.walk(twice, {"x": []}) == {}


def test_data_is_the_tasks_own_copy(controller: crew.Controller) -> None:
    table = controller.map(
        "shared.append(x)\nlen(shared)", {"x": [1, 2, 3]}, data={"shared": []}, scale=True
    )
    assert list(table["result"]) == [1, 1, 1]


def test_packages_and_globals_hold_for_all_tasks(controller: crew.Controller) -> None:
    table = controller.map(
        "colorsys.ONE_THIRD * x * g", {"x": [3, 6]}, globals={"g": 10}, packages=["colorsys"]
    )
    assert list(table["result"]) == [10, 20]


# ── Names ──────────────────────────────────────────────────────────────────────────────────────


def test_names_are_made_up_and_numbered(controller: crew.Controller) -> None:
    names = list(controller.map(twice, {"x": [1, 2, 3]})["name"])
    stem = names[0].rpartition("_")[0]
    assert stem.startswith("unnamed_task_")
    assert names == [f"{stem}_1", f"{stem}_2", f"{stem}_3"]


def test_names_by_a_key_of_iterate(controller: crew.Controller) -> None:
    table = controller.map("(id, x)", {"x": [1, 2], "id": ["a", "b"]}, names="id")
    assert list(table["name"]) == ["a", "b"]
    assert list(table["result"]) == [("a", 1), ("b", 2)]


def test_names_by_a_list(controller: crew.Controller) -> None:
    lists: list[Any] = [["a", "b"], ("a", "b"), np.array(["a", "b"]), pd.Series(["a", "b"])]
    for names in lists:
        table = controller.map(twice, {"x": [1, 2]}, names=names)
        assert dict(zip(table["name"], table["result"], strict=True)) == {"a": 2, "b": 4}


def test_names_that_are_numbers_become_text(controller: crew.Controller) -> None:
    assert list(controller.map(twice, {"x": [10, 20]}, names="x")["name"]) == ["10", "20"]


@pytest.mark.parametrize(
    ("names", "kind", "message"),
    [
        ("y", crew.ConfigError, "names='y'.*no key of iterate"),
        (["a"], crew.ConfigError, "1 names for 2 tasks"),
        (["a", "a"], crew.ConfigError, "'a' is there twice"),
        (["a", ""], crew.ConfigError, "must not be empty"),
        (7, TypeError, "names=7"),
    ],
)
def test_impossible_names(
    controller: crew.Controller, names: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        controller.map(twice, {"x": [1, 2]}, names=names)
    assert controller.empty


# ── Bad arguments ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("iterate", "kind", "message"),
    [
        ({}, crew.ConfigError, "nothing to iterate over"),
        ({"x": [1, 2], "y": [1]}, crew.ConfigError, "one length.*x: 2, y: 1"),
        ({"c": [1, 2]}, crew.ConfigError, "both give c"),
        ([1, 2], TypeError, "iterate=.*dict of lists"),
        ({"x": "ab"}, TypeError, r"iterate\['x'\].*str"),
        ({"x": 1}, TypeError, r"iterate\['x'\].*int"),
        ({"x": {"a": 1}}, TypeError, r"iterate\['x'\].*dict"),
        ({1: [1, 2]}, TypeError, "the name 1"),
    ],
)
def test_impossible_lists(
    controller: crew.Controller, iterate: Any, kind: type[Exception], message: str
) -> None:
    for call in (controller.map, controller.walk):
        with pytest.raises(kind, match=message):
            call("x", iterate, data={"c": 1})
    assert controller.empty


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"error": "halt"}, "error='halt'"),
        ({"algorithm": "PCG46"}, "Did you mean 'PCG64'"),
        ({"seed": -1}, "seed=-1"),
        ({"seconds_timeout": 0}, "seconds_timeout=0"),
    ],
)
def test_impossible_options(
    controller: crew.Controller, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(crew.ConfigError, match=message):
        controller.map(twice, {"x": [1, 2]}, **options)
    assert controller.empty


def test_text_that_does_not_parse_is_refused_once(controller: crew.Controller) -> None:
    with pytest.raises(crew.ConfigError, match="not Python"):
        controller.map("x +", {"x": [1, 2]})
    assert controller.empty


def test_map_needs_an_empty_controller(controller: crew.Controller) -> None:
    controller.push(twice, (1,)).result(SECONDS)
    with pytest.raises(crew.ConfigError, match="map needs an empty controller, but 1 task"):
        controller.map(twice, {"x": [1]})
    assert controller.size == 1
    controller.pop()
    assert list(controller.map(twice, {"x": [1]})["result"]) == [2]


# ── Errors and warnings ────────────────────────────────────────────────────────────────────────


def test_stop_raises_and_leaves_the_table_in_controller_error(controller: crew.Controller) -> None:
    with pytest.raises(crew.TaskError, match=r"2 tasks did not succeed.*1 is odd") as caught:
        controller.map(odd_ones_fail, {"x": [0, 1, 2, 3]})
    assert isinstance(caught.value.__cause__, ValueError)
    table = controller.error
    assert isinstance(table, pd.DataFrame)
    assert list(table["status"]) == ["success", "error", "success", "error"]
    assert list(table["result"]) == [0, None, 2, None]
    assert table["error"].iloc[1] == "ValueError: 1 is odd"
    assert controller.empty


def test_one_failed_task_is_told_by_name(controller: crew.Controller) -> None:
    with pytest.raises(crew.TaskError, match=r"task 'bad'.*3 is odd") as caught:
        controller.map(odd_ones_fail, {"x": [2, 3]}, names=["good", "bad"])
    assert caught.value.record is not None
    assert caught.value.record.name == "bad"


def test_after_an_error_the_next_map_runs(controller: crew.Controller) -> None:
    for _ in range(2):
        with pytest.raises(crew.TaskError):
            controller.map(odd_ones_fail, {"x": [1]}, names=["same name"])
    controller.error = None
    assert list(controller.map(odd_ones_fail, {"x": [2]}, names=["same name"])["result"]) == [2]
    assert controller.error is None


def test_warn_warns_once_and_returns_the_table(controller: crew.Controller) -> None:
    with pytest.warns(crew.TaskWarning, match="2 tasks did not succeed.*1 is odd") as caught:
        table = controller.map(odd_ones_fail, {"x": [0, 1, 2, 3]}, error="warn")
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert list(table["code"]) == [0, -1, 0, -1]
    assert "odd_ones_fail" in table["trace"].iloc[1]
    assert controller.error is None


def test_silent_says_nothing(controller: crew.Controller) -> None:
    table = controller.map(odd_ones_fail, {"x": [0, 1]}, error="silent")
    assert list(table["status"]) == ["success", "error"]
    assert controller.error is None


def test_tasks_warnings_are_told_in_one_warning(controller: crew.Controller) -> None:
    with pytest.warns(crew.TaskWarning, match="3 tasks gave warnings.*careful with 1") as caught:
        table = controller.map(warn, {"x": [1, 2, 3]}, warnings=True)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert list(table["warnings"]) == [f"careful with {x}" for x in (1, 2, 3)]


def test_tasks_warnings_are_told_unless_unwanted(controller: crew.Controller) -> None:
    table = controller.map(warn, {"x": [1, 2]}, warnings=False)
    assert list(table["warnings"]) == ["careful with 1", "careful with 2"]
    with pytest.warns(crew.TaskWarning, match="careful"):
        controller.map(warn, {"x": [1]})


def test_a_timeout_is_no_success_either(controller: crew.Controller) -> None:
    with pytest.raises(crew.TaskError, match="timeout"):
        controller.map("import time\ntime.sleep(x)", {"x": [60]}, seconds_timeout=0.05)


# ── Seeds ──────────────────────────────────────────────────────────────────────────────────────


def draw(x: int) -> float:
    return random.random()


def test_a_seed_gives_each_task_a_seed_of_its_own(controller: crew.Controller) -> None:
    first = controller.map(draw, {"x": [1, 2, 3]}, seed=42)
    again = controller.map(draw, {"x": [1, 2, 3]}, seed=42)
    other = controller.map(draw, {"x": [1, 2, 3]}, seed=43)
    assert first["seed"].nunique() == 3
    assert first["seed"].dtype == np.int64
    assert list(first["result"]) == list(again["result"])
    assert list(first["seed"]) == list(again["seed"])
    assert not set(first["result"]) & set(other["result"])
    assert first["result"].nunique() == 3


def test_each_row_can_be_repeated_by_its_seed_alone(controller: crew.Controller) -> None:
    table = controller.map(draw, {"x": [1, 2]}, seed=42)
    for seed, result in zip(table["seed"], table["result"], strict=True):
        assert controller.push(draw, (1,), seed=seed).result(SECONDS) == result


def test_a_longer_map_begins_like_a_shorter_one(controller: crew.Controller) -> None:
    short = controller.map(draw, {"x": [1, 2]}, seed=42)
    long = controller.map(draw, {"x": [1, 2, 3]}, seed=42)
    assert list(long["result"])[:2] == list(short["result"])


# ── Progress ───────────────────────────────────────────────────────────────────────────────────


def test_progress_shows_a_bar(
    controller: crew.Controller, capsys: pytest.CaptureFixture[str]
) -> None:
    controller.map(twice, {"x": [1, 2, 3]}, progress=True)
    captured = capsys.readouterr()
    assert "3/3" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("progress", [None, False])
def test_no_bar_where_nobody_looks(
    controller: crew.Controller, capsys: pytest.CaptureFixture[str], progress: bool | None
) -> None:
    controller.map(twice, {"x": [1, 2, 3]}, progress=progress)
    assert capsys.readouterr().err == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_in_a_terminal_unless_unwanted(
    controller: crew.Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    controller.map(twice, {"x": [1, 2, 3]}, progress=False)
    assert terminal.getvalue() == ""
    controller.map(twice, {"x": [1, 2, 3]})
    assert "3/3" in terminal.getvalue()


def test_a_bar_counts_tasks_that_were_quicker_than_it(
    controller: crew.Controller,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def late(sessions: Any, done: Any, seconds: float, *shown: Any) -> bool:
        assert wait_until(sessions, done, SECONDS)
        return wait_showing(sessions, done, seconds, *shown)

    monkeypatch.setattr("crew_core._controller.controller.wait_showing", late)
    controller.map("1 / x", {"x": [0, 1, 2]}, progress=True, error="silent")
    assert "3/3" in (shown := capsys.readouterr().err)
    assert "1 failed" in shown


# ── walk ───────────────────────────────────────────────────────────────────────────────────────


def test_walk_returns_handles_by_name_at_once(controller: crew.Controller, gate: Any) -> None:
    handles: Mapping[str, crew.Task[Any]] = controller.walk(
        gate.hold, {"value": [1, 2, 3]}, names=["a", "b", "c"]
    )
    assert list(handles) == ["a", "b", "c"]
    assert all(isinstance(handle, crew.Task) for handle in handles.values())
    assert not any(handle.done() for handle in handles.values())
    assert (controller.size, controller.unresolved) == (3, 3)
    gate.open()
    assert [handles[name].result(SECONDS) for name in "abc"] == [1, 2, 3]
    table = controller.collect()
    assert table is not None
    assert sorted(table["name"]) == ["a", "b", "c"]


def test_walk_may_be_called_on_a_controller_that_is_not_empty(
    controller: crew.Controller, gate: Any
) -> None:
    controller.push(gate.hold, name="held")
    handles = controller.walk(twice, {"x": [1, 2]}, names=["a", "b"])
    assert [handle.result(SECONDS) for handle in handles.values()] == [2, 4]
    assert controller.size == 3
    gate.open()


def test_walk_refuses_names_that_are_taken_and_pushes_none(controller: crew.Controller) -> None:
    controller.push(twice, (1,), name="b").result(SECONDS)
    with pytest.raises(crew.ConfigError, match="'b'"):
        controller.walk(twice, {"x": [1, 2]}, names=["a", "b"])
    assert controller.size == 1


def test_walked_tasks_can_be_cancelled(controller: crew.Controller, gate: Any) -> None:
    handles = controller.walk(gate.hold, {"value": [1, 2, 3, 4]})
    gate.wait_for(2)
    controller.cancel(list(handles))
    for handle in handles.values():
        with pytest.raises(CancelledError):
            handle.result(SECONDS)
