"""Several managers and several loops on the same workers and tasks."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import crew_rush
from crew_rush._manager.fleet import Fleet
from rush_loops import Loop, pid_of, runs, square_loop, state_of, stuck_loop, until


@pytest.fixture
def second(rush: crew_rush.Rush, place: crew_rush.EmbeddedStore | str) -> Iterator[crew_rush.Rush]:
    """Another manager of the same network."""
    with crew_rush.Rush(rush.network_id, store=place, create=False) as manager:
        yield manager
        manager.reset()


def at_once(*calls: Callable[[], list[str]]) -> list[list[str]]:
    """What these return, when they begin together."""
    ready = threading.Barrier(len(calls))
    answers: dict[int, list[str]] = {}

    def run(index: int) -> None:
        ready.wait()
        answers[index] = calls[index]()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answers[index] for index in range(len(calls))]


def test_both_managers_see_the_same_and_either_stops_workers(
    rush: crew_rush.Rush, second: crew_rush.Rush
) -> None:
    ids = rush.start_local_workers(square_loop(), n_workers=1)
    keys = [*rush.push_tasks([{"x": 2}]), *second.push_tasks([{"x": 3}])]
    assert rush.wait_for_tasks(keys, timeout=60)
    for manager in (rush, second):
        assert sorted(manager.fetch_finished_tasks()["y"]) == [4, 9]
        assert manager.running_worker_ids == ids
    assert second.stop_workers() == ids
    until(lambda: rush.n_running_workers == 0)
    assert state_of(second, ids[0]) == "terminated"


def test_two_managers_that_kill_at_once_kill_each_worker_once(
    rush: crew_rush.Rush, second: crew_rush.Rush
) -> None:
    ids = rush.start_local_workers(stuck_loop(), n_workers=2)
    until(lambda: rush.n_running_tasks == 2)
    killed = at_once(lambda: rush.stop_workers("kill"), lambda: second.stop_workers("kill"))
    assert sorted([*killed[0], *killed[1]]) == sorted(ids)
    assert rush.worker_info["state"].tolist() == ["killed", "killed"]
    assert (rush.n_failed_tasks, rush.n_running_tasks) == (2, 0)


def test_two_managers_that_restart_at_once_leave_one_worker(
    rush: crew_rush.Rush, second: crew_rush.Rush, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = rush.start_local_workers(square_loop(), n_workers=1)
    assert rush.wait_for_workers(timeout=60)
    # Neither launches before both have seen that the worker is lost.
    both, launch = threading.Barrier(2), Fleet.launch

    def launch_with_the_other(*arguments: Any) -> None:
        both.wait(60)
        launch(*arguments)

    monkeypatch.setattr(Fleet, "launch", launch_with_the_other)
    os.kill(pid_of(rush, ids[0]), signal.SIGKILL)
    until(lambda: state_of(rush, ids[0]) == "lost")
    assert at_once(rush.restart_workers, second.restart_workers) == [ids, ids]
    assert rush.wait_for_workers(worker_ids=ids, timeout=60)
    assert second.wait_for_workers(worker_ids=ids, timeout=60)
    assert rush.wait_for_tasks(rush.push_tasks([{"x": 2}]), timeout=60)
    assert (rush.n_workers, rush.n_running_workers) == (1, 1)


def test_manager_goes_on_after_the_other_reset_the_network(
    rush: crew_rush.Rush, second: crew_rush.Rush
) -> None:
    rush.start_local_workers(stuck_loop(), n_workers=1)
    until(lambda: rush.n_running_tasks == 1)
    pid = pid_of(rush, rush.worker_ids[0])
    second.reset()
    until(lambda: not runs(pid))
    assert (rush.n_tasks, rush.n_workers) == (0, 0)
    rush.push_tasks([{"x": 1}])
    assert second.n_queued_tasks == 1


TASKS = 20


def same_tasks_loop() -> Loop:
    def loop(worker: crew_rush.RushWorker, count: int) -> None:
        worker.push_running_tasks([{"x": number} for number in range(count)])
        while worker.n_tasks < 2 * count:
            if worker.terminated:
                return
        # The other may have begun: what it has finished meanwhile is in the second list.
        keys = [*worker.tasks_with_state("running"), *worker.tasks_with_state("finished")]
        won = [worker.finish_tasks([key], [{"y": worker.worker_id}])[0] for key in keys]
        worker.push_finished_tasks([{"winner": worker.worker_id, "won": sum(won)}], [{}])

    return loop


def test_two_loops_that_finish_the_same_tasks_finish_each_once(rush: crew_rush.Rush) -> None:
    ids = rush.start_local_workers(same_tasks_loop(), {"count": TASKS}, n_workers=2)
    until(lambda: rush.n_finished_tasks == 2 * TASKS + 2)
    table = rush.fetch_finished_tasks()
    assert table["key"].is_unique
    assert table["won"].sum() == 2 * TASKS
    for worker_id in ids:
        won = table.loc[table["winner"] == worker_id, "won"].sum()
        assert (table["y"] == worker_id).sum() == won
    assert rush.n_failed_tasks == 0
