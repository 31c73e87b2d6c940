"""When workers are launched, and when they leave."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

import crew_core as crew
from crew_core._controller.autoscaler import Autoscaler
from crew_core._launcher.processes import has_ended

Make = Callable[..., crew.Controller]

SECONDS = 30


def online(controller: crew.Controller) -> list[bool]:
    return [bool(value) for value in controller.launcher.summary()["online"]]


# ── Coming ─────────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_launched_without_tasks(make: Make) -> None:
    controller = make(workers=2)
    controller.start()
    assert controller.scale() is False
    assert controller.wait() is True
    assert len(controller.launcher.summary()) == 0


def test_there_are_never_more_workers_than_allowed(make: Make) -> None:
    controller = make(workers=2)
    handles = [controller.push(os.getpid) for _ in range(50)]
    assert len({handle.result(SECONDS) for handle in handles}) <= 2
    summary = controller.launcher.summary()
    assert summary["worker"].tolist() in ([1], [1, 2])
    assert set(summary["launches"]) == {1}


def test_one_task_wants_one_worker(make: Make) -> None:
    controller = make(workers=4)
    controller.push("1").result(SECONDS)
    assert controller.launcher.summary()["launches"].tolist() == [1]


def test_without_throttle_push_launches_at_once(make: Make) -> None:
    controller = make(workers=1)
    controller.push("1", throttle=False)
    assert controller.launcher.summary()["worker"].tolist() == [1]


def test_launch_makes_workers_without_tasks_and_beyond_the_cap(make: Make) -> None:
    controller = make(workers=1)
    controller.launch(2)
    rows = controller.launcher.summary()
    assert rows["worker"].tolist() == [1, 2]
    crew.retry(lambda: all(online(controller)), seconds_interval=0.02)
    rows = controller.launcher.summary()
    assert rows["complete"].tolist() == [0, 0]
    assert all(psutil.pid_exists(int(job)) for job in rows["job"])
    for n in (0, -1, 1.5, True, "2"):
        with pytest.raises((crew.ConfigError, TypeError), match="n="):
            controller.launch(n)  # type: ignore[arg-type]  # what is tested


def test_after_descale_nothing_is_launched_until_scale_or_autoscale(make: Make) -> None:
    controller = make(workers=1)
    controller.descale()
    first = controller.push("1", name="first")
    assert controller.wait(seconds_timeout=0.3) is False
    assert len(controller.launcher.summary()) == 0
    assert controller.scale() is True
    assert first.result(SECONDS) == 1
    assert controller.scale() is False
    controller.terminate()

    controller.descale()
    second = controller.push("2", name="second")
    controller.autoscale()
    assert second.result(SECONDS) == 2


def test_push_with_scale_false_launches_nothing(make: Make) -> None:
    controller = make(workers=1)
    handle = controller.push("1", scale=False)
    assert controller.wait(seconds_timeout=0.3, scale=False) is False
    assert len(controller.launcher.summary()) == 0
    assert controller.wait(seconds_timeout=SECONDS)
    assert handle.result() == 1


def test_push_with_scale_false_launches_nothing_though_the_thread_that_scales_comes_late(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, pushed = Autoscaler._run, threading.Event()

    def run_late(autoscaler: Autoscaler, patience: float | None) -> None:
        pushed.wait(SECONDS)
        run(autoscaler, patience)

    monkeypatch.setattr(Autoscaler, "_run", run_late)
    controller = make(workers=1, seconds_interval=0.05)
    controller.push("1", scale=False)
    pushed.set()
    assert controller.wait(seconds_timeout=0.5, scale=False) is False
    assert len(controller.launcher.summary()) == 0


# ── Leaving ────────────────────────────────────────────────────────────────────────────────────


def test_workers_leave_when_they_are_idle(make: Make) -> None:
    controller = make(workers=2, seconds_idle=0.1)
    assert controller.push("1").result(SECONDS) == 1
    crew.retry(lambda: not any(online(controller)), seconds_interval=0.02)
    assert set(controller.launcher.summary()["state"]) <= {"exited", "terminated"}
    assert controller.push("2").result(SECONDS) == 2


def test_workers_leave_after_tasks_max_and_others_come(make: Make) -> None:
    controller = make(workers=1, tasks_max=2)
    handles = [controller.push(os.getpid) for _ in range(6)]
    pids = [handle.result(SECONDS) for handle in handles]
    assert [pids.count(pid) for pid in pids] == [2] * 6


def instance(task: crew.Task[Any]) -> str:
    """The worker's life in which it ran, at the first attempt."""
    record = task.record
    assert record is not None
    assert (record.status, record.attempts) == ("success", 1)
    assert record.instance is not None
    return record.instance


@pytest.mark.parametrize("limit", ["seconds_idle", "seconds_wall"])
def test_what_runs_when_the_time_is_over_is_not_disturbed(
    make: Make, gate: Any, limit: str
) -> None:
    controller = make(workers=1, **{limit: 0.2})
    running = controller.push(gate.hold, ("done",))
    waiting = controller.push("1")
    gate.wait_for(1)
    time.sleep(0.5)  # longer than the limit
    assert not waiting.done()
    gate.open()
    assert running.result(SECONDS) == "done"
    assert waiting.result(SECONDS) == 1
    # After its wall time a worker takes no new task, and one that worked was never idle.
    assert (instance(waiting) == instance(running)) == (limit == "seconds_idle")


def test_the_wall_time_starts_after_tasks_timers(make: Make) -> None:
    controller = make(workers=1, seconds_wall=0.2, tasks_timers=2)
    tasks = []
    for _ in range(2):
        tasks.append(controller.push("1"))
        tasks[-1].result(SECONDS)
        if len(tasks) == 1:
            time.sleep(0.5)  # longer than the wall time, which is not running yet
    assert instance(tasks[0]) == instance(tasks[1])
    crew.retry(lambda: not any(online(controller)), seconds_interval=0.02)
    later = controller.push("1")
    later.result(SECONDS)
    assert instance(later) != instance(tasks[0])


def test_a_worker_with_less_time_left_than_a_task_expects_is_not_given_it(make: Make) -> None:
    controller = make(workers=1, seconds_wall=SECONDS)
    first = controller.push("1")
    first.result(SECONDS)
    # A whole life, of which the first worker has lived some; it makes room after some seconds.
    long = controller.push("2", seconds_expected=SECONDS)
    short = controller.push("3", seconds_expected=0.1)
    assert (long.result(SECONDS), short.result(SECONDS)) == (2, 3)
    assert instance(short) == instance(first)
    assert instance(long) != instance(first)


def test_terminate_ends_the_workers_whatever_they_do(make: Make, gate: Any) -> None:
    controller = make(workers=2)
    for _ in range(4):
        controller.push(gate.hold)
    gate.wait_for(2)
    workers = [psutil.Process(int(job)) for job in controller.launcher.summary()["job"]]
    workers += [child for worker in workers for child in worker.children(recursive=True)]
    assert len(workers) == 4
    controller.terminate()
    crew.retry(lambda: all(map(has_ended, workers)), seconds_interval=0.02, seconds_timeout=SECONDS)
