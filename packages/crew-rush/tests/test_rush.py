"""Managers and real workers, from the first task to the last, on each kind of store."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
import crew_rush
from crew_rush._manager.fleet import Fleet
from rush_loops import SECONDS, Loop, pid_of, runs, square_loop, state_of, stuck_loop, until


def own_tasks_loop() -> Loop:
    def loop(rush: crew_rush.RushWorker, count: int) -> None:
        for number in range(count):
            keys = rush.push_running_tasks([{"x": number}])
            rush.finish_tasks(keys, [{"y": -number}], [{"pid": os.getpid()}])

    return loop


def test_queued_tasks_are_evaluated_and_fetched(rush: crew_rush.Rush) -> None:
    keys = rush.push_tasks([{"x": x} for x in range(10)])
    ids = rush.start_local_workers(square_loop(), n_workers=2)
    assert rush.wait_for_tasks(keys, timeout=SECONDS)
    table = rush.fetch_finished_tasks()
    assert sorted(table["y"]) == [x**2 for x in range(10)]
    assert set(table["worker_id"]) <= set(ids)
    assert rush.n_finished_tasks == 10


def test_workers_make_tasks_of_their_own(rush_here: crew_rush.Rush) -> None:
    (worker_id,) = rush_here.start_local_workers(own_tasks_loop(), {"count": 5}, n_workers=1)
    until(lambda: rush_here.n_finished_tasks == 5)
    table = rush_here.fetch_new_tasks()
    assert table["x"].tolist() == [0, 1, 2, 3, 4]
    assert table["y"].tolist() == [0, -1, -2, -3, -4]
    assert set(table["pid"]) == {pid_of(rush_here, worker_id)}
    assert len(rush_here.fetch_new_tasks()) == 0
    until(lambda: state_of(rush_here, worker_id) == "terminated")


def test_workers_end_when_they_are_asked_to(rush: crew_rush.Rush) -> None:
    ids = rush.start_local_workers(square_loop(), n_workers=2)
    assert rush.wait_for_workers(timeout=SECONDS)
    assert sorted(rush.stop_workers()) == sorted(ids)
    until(lambda: rush.n_running_workers == 0)
    assert [state_of(rush, worker_id) for worker_id in ids] == ["terminated"] * 2


def test_killed_workers_task_fails_at_once_and_its_process_is_gone(rush: crew_rush.Rush) -> None:
    (worker_id,) = rush.start_local_workers(stuck_loop(), n_workers=1)
    until(lambda: rush.n_running_tasks == 1)
    pid = pid_of(rush, worker_id)
    assert rush.stop_workers("kill", [worker_id]) == [worker_id]
    assert rush.n_failed_tasks == 1
    assert "killed" in rush.fetch_failed_tasks()["condition"].iloc[0]
    assert state_of(rush, worker_id) == "killed"
    until(lambda: not runs(pid))


def test_worker_whose_process_dies_is_lost_and_can_be_restarted(rush: crew_rush.Rush) -> None:
    (worker_id,) = rush.start_local_workers(stuck_loop(), n_workers=1)
    until(lambda: rush.n_running_tasks == 1)
    os.kill(pid_of(rush, worker_id), signal.SIGKILL)
    until(lambda: rush.n_running_workers == 0)
    assert state_of(rush, worker_id) == "lost"
    assert rush.detect_lost_workers() == [worker_id]
    assert rush.detect_lost_workers() == []
    assert rush.n_failed_tasks == 1
    assert rush.restart_workers() == [worker_id]
    until(lambda: rush.n_running_tasks == 1)
    assert state_of(rush, worker_id) == "running"
    assert rush.n_workers == 1


def test_loop_that_raises_says_so(rush_here: crew_rush.Rush) -> None:
    def loop(worker: crew_rush.RushWorker) -> None:
        worker.push_running_tasks([{"x": 1}])
        raise ValueError("no such luck")

    (worker_id,) = rush_here.start_local_workers(loop, n_workers=1)
    until(lambda: rush_here.n_failed_tasks == 1)
    assert state_of(rush_here, worker_id) == "terminated"
    assert "ValueError: no such luck" in rush_here.worker_info["reason"].iloc[0]
    assert "no such luck" in rush_here.fetch_failed_tasks()["condition"].iloc[0]


def test_second_of_two_that_finish_a_task_is_told(rush: crew_rush.Rush) -> None:
    def loop(worker: crew_rush.RushWorker) -> None:
        keys = worker.push_running_tasks([{"x": 1}])
        first = worker.finish_tasks(keys, [{"y": 1}])
        second = worker.finish_tasks(keys, [{"y": 2}])
        third = worker.fail_tasks(keys, "too late")
        told = {"first": first, "second": second, "third": third}
        worker.push_finished_tasks([{"x": 2}], [told])

    rush.start_local_workers(loop, n_workers=1)
    until(lambda: rush.n_finished_tasks == 2)
    table = rush.fetch_finished_tasks().set_index("x")
    assert table.loc[1, "y"] == 1
    assert [table.loc[2, name] for name in ("first", "second", "third")] == [
        [True],
        [False],
        [False],
    ]


def test_globals_and_packages_are_there(rush_here: crew_rush.Rush) -> None:
    def loop(worker: crew_rush.RushWorker) -> None:
        worker.push_finished_tasks(
            [{"x": given_number}],  # type: ignore[name-defined] # noqa: F821
            [{"y": "fractions" in sys.modules}],
        )

    rush_here.start_local_workers(
        loop, n_workers=1, globals={"given_number": 7}, packages=["fractions"]
    )
    until(lambda: rush_here.n_finished_tasks == 1)
    table = rush_here.fetch_finished_tasks()
    assert (table["x"].iloc[0], bool(table["y"].iloc[0])) == (7, True)


def test_what_loops_log_is_read_by_thresholds(
    rush_here: crew_rush.Rush, capsys: pytest.CaptureFixture[str]
) -> None:
    def loop(worker: crew_rush.RushWorker) -> None:
        import logging

        logging.getLogger("heard").info("the one")
        logging.getLogger("heard.below").debug("not the two")
        logging.getLogger("unheard").error("not the three")

    (worker_id,) = rush_here.start_local_workers(
        loop, n_workers=1, log_thresholds={"heard": "info"}
    )
    until(lambda: len(rush_here.read_log()) == 1)
    table = rush_here.read_log()
    assert table[["worker_id", "level", "logger", "message"]].to_dict("records") == [
        {"worker_id": worker_id, "level": "INFO", "logger": "heard", "message": "the one"}
    ]
    rush_here.print_log()
    rush_here.print_log()
    assert capsys.readouterr().out.count("the one") == 1


def test_output_goes_to_files(rush_here: crew_rush.Rush, tmp_path: Path) -> None:
    def loop(worker: crew_rush.RushWorker) -> None:
        print("out")  # noqa: T201 - that is what is tried
        print("err" * 100_000, file=sys.stderr)  # noqa: T201 - more than a pipe holds

    (worker_id,) = rush_here.start_local_workers(
        loop, n_workers=1, output_log=tmp_path, message_log=tmp_path
    )
    until(lambda: rush_here.n_workers == 1 and rush_here.n_running_workers == 0)
    assert (tmp_path / f"output_{worker_id}.log").read_text() == "out\n"
    assert (tmp_path / f"message_{worker_id}.log").stat().st_size == 300_001


def test_script_starts_a_worker_anywhere(rush: crew_rush.Rush) -> None:
    line = rush.worker_script(own_tasks_loop(), {"count": 3}, local=True)
    subprocess.run(["sh", "-c", line], check=True, timeout=SECONDS)
    assert rush.n_finished_tasks == 3
    assert rush.worker_info["launcher"].tolist() == ["script"]


def test_redacted_script_holds_no_secret(rush_here: crew_rush.Rush) -> None:
    line = rush_here.worker_script(own_tasks_loop(), {"count": 3}, local=True, redacted=True)
    assert "<redacted>" in line
    assert "hush" not in line


def test_worker_that_ends_before_it_comes_is_an_error_of_who_waits(
    rush_here: crew_rush.Rush, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_it_is = Fleet.command

    def elsewhere(fleet: Fleet, *arguments: Any) -> tuple[str, ...]:
        argv = list(as_it_is(fleet, *arguments))
        argv[argv.index("--network") + 1] = "not-there"
        return tuple(argv)

    monkeypatch.setattr(Fleet, "command", elsewhere)
    rush_here.start_local_workers(square_loop(), n_workers=1)
    with pytest.raises(crew.LaunchError, match="no network 'not-there'"):
        rush_here.wait_for_workers(timeout=SECONDS)


def test_stopping_who_does_not_run_warns(rush_here: crew_rush.Rush) -> None:
    with pytest.warns(crew_rush.RushWarning, match="nobody_here"):
        assert rush_here.stop_workers("kill", ["nobody_here"]) == []


def test_every_task_has_one_end_though_workers_are_killed_at_random(rush: crew_rush.Rush) -> None:
    keys = rush.push_tasks([{"x": x} for x in range(300)])
    ids = rush.start_local_workers(square_loop(), n_workers=3)
    assert rush.wait_for_workers(timeout=SECONDS)
    draw = random.Random(1)
    for left in (250, 200, 150, 100, 50):
        while rush.n_queued_tasks > left:
            time.sleep(0.001)
        victim = draw.choice(ids)
        os.kill(pid_of(rush, victim), signal.SIGKILL)
        until(rush.detect_lost_workers)
        assert rush.restart_workers() == [victim]
        assert rush.wait_for_workers(worker_ids=[victim], timeout=SECONDS)
    assert rush.wait_for_tasks(keys, timeout=SECONDS)
    finished, failed = rush.tasks_with_state("finished"), rush.tasks_with_state("failed")
    assert sorted([*finished, *failed]) == sorted(keys)
    assert len(finished) == rush.n_finished_tasks == len(rush.fetch_finished_tasks())
