"""What is found in records and effects: lost tasks, tasks done twice, and what excuses that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chaos import checks
from chaos.checks import Effect
from chaos.client import RECORDS
from chaos.struck import Struck
from chaos.tasks import EFFECTS, is_expected, leave_line


def record(number: int, *, run: int = 0, pid: int = 1, **other: Any) -> dict[str, Any]:
    return {
        "name": f"{number}.{run}",
        "status": "success",
        "attempts": 1,
        "cause": None,
        "pid": pid,
        "instance": f"i{pid}",
        "error": None,
        "as_it_should": True,
        **other,
    }


def effect(number: int, *, run: int = 0, pid: int = 1) -> Effect:
    return Effect(number, run, f"i{pid}", pid)


def problems(
    records: list[dict[str, Any]], effects: list[Effect], struck: Struck | None = None
) -> list[str]:
    return checks.account(range(2), records, effects, struck or Struck()).problems


def test_each_task_once_is_as_it_should_be() -> None:
    found = checks.account(
        range(2), [record(0), record(1, pid=2)], [effect(1, pid=2), effect(0)], Struck()
    )
    assert (found.problems, found.done, found.repeated) == ([], {0, 1}, 0)


def test_a_task_without_a_record_is_lost_even_if_it_was_done() -> None:
    assert problems([record(0)], [effect(0), effect(1)]) == ["1 tasks are lost: 1"]


def test_a_record_without_its_effect_is_a_problem() -> None:
    assert problems([record(0), record(1)], [effect(0)]) == [
        "task 1.0 was not done where its record says"
    ]
    assert problems([record(0), record(1)], [effect(0), effect(1, pid=2)]) == [
        "task 1.0 was not done where its record says"
    ]


def test_two_records_of_one_push_are_a_problem() -> None:
    (problem,) = problems([record(0), record(1), record(1)], [effect(0), effect(1)])
    assert problem == "task 1.0 came back 2 times"


def test_a_task_that_had_come_back_must_not_be_pushed_again() -> None:
    (problem,) = problems(
        [record(0), record(1), record(1, run=1)], [effect(0), effect(1), effect(1, run=1)]
    )
    assert "pushed again" in problem


def test_an_effect_of_a_lost_push_is_none_of_the_next() -> None:
    effects = [effect(0), effect(1), effect(1, run=1, pid=2)]
    assert problems([record(0), record(1, run=1, pid=2)], effects) == []


@pytest.mark.parametrize("struck", [Struck(instances={"i1"}), Struck(pids={1})])
def test_who_was_struck_may_have_done_what_another_does_again(struck: Struck) -> None:
    records = [record(0), record(1, pid=2)]
    effects = [effect(0), effect(1), effect(1, pid=2)]
    assert problems(records, effects) == ["task 1.0 was done 2 times, by process 1, process 2"]
    found = checks.account(range(2), records, effects, struck)
    assert (found.problems, found.repeated) == ([], 1)


def test_nothing_excuses_one_process_that_does_a_task_twice() -> None:
    struck = Struck(instances={"i1"})
    assert problems([record(0), record(1)], [effect(0), effect(1), effect(1)], struck) == [
        "task 1.0 was done twice by one process"
    ]


def test_a_wrong_ending_is_told() -> None:
    wrong = record(1, as_it_should=False, status="crash", cause="exit 1", error="gone")
    assert problems([record(0), wrong], [effect(0), effect(1)]) == [
        "task 1.0 ended with crash, exit 1: gone"
    ]


def test_what_tasks_and_clients_write_is_read_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checks.read_records(tmp_path) == []
    assert checks.read_effects(tmp_path) == []
    monkeypatch.setenv("CREW_INSTANCE", "here")
    leave_line(str(tmp_path), 7, 1)
    leave_line(str(tmp_path), 8, 0)
    assert [(e.number, e.run, e.instance) for e in checks.read_effects(tmp_path)] == [
        (7, 1, "here"),
        (8, 0, "here"),
    ]
    assert (tmp_path / EFFECTS).read_text().count("\n") == 2
    (tmp_path / RECORDS).write_text(json.dumps(record(7)) + "\n")
    assert checks.read_records(tmp_path) == [record(7)]


def test_tasks_end_in_two_ways() -> None:
    assert is_expected(50, "success", 50)
    assert not is_expected(50, "success", 51)
    assert not is_expected(50, "error", None)
    assert is_expected(104, "error", None)
