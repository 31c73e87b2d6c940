"""Bugs that the simulator has found: each in a scenario of its own, in which it shows."""

from __future__ import annotations

from typing import Any

import pytest

from crew_core._wire import messages
from simulator.run import run
from simulator.scenario import Fault, Push, Scenario

pytestmark = pytest.mark.timeout(900)  # it reckons all the time, on a machine that may be busy


def scenario(*pushes: Push, settings: messages.WorkerSettings, **more: Any) -> Scenario:
    retry = messages.RetryPolicy()
    return Scenario(1, False, pushes, settings=settings, retry=retry, **more)


def test_a_worker_that_is_too_old_ends_its_task_though_its_connection_breaks() -> None:
    report = run(
        1,
        scenario(
            Push(at=0.0, count=30, seconds=3.0),
            settings=messages.WorkerSettings("simulated", "1", seconds_wall=1.0),
            faults={Fault.RESET: 0.1},
            seconds_faults=1000.0,
        ),
    )
    assert report.failure is None
    assert (report.launches, report.fates) == (30, {"success": 30})


def test_a_worker_that_warms_a_new_task_process_is_not_woken_to_ask_whether_it_may_leave() -> None:
    report = run(
        85,
        scenario(
            Push(at=0.0, count=1, seconds=0.0),
            Push(at=20.0, count=1, seconds=0.0),
            settings=messages.WorkerSettings("simulated", "1", seconds_idle=0.5),
            faults={Fault.KILL_TASK_PROCESS: 2.0, Fault.FREEZE_DISPATCHER: 0.3},
            seconds_faults=20.0,
            warm_ups=(0.0, 0.0),
        ),
    )
    assert report.failure is None


def test_a_worker_that_is_busy_and_too_small_for_one_task_makes_room_when_others_are_done() -> None:
    report = run(
        16,
        scenario(
            Push(at=0.0, count=60, seconds=0.5),
            settings=messages.WorkerSettings("simulated", "1", seconds_idle=1000.0),
            faults={Fault.KILL: 0.3},
            seconds_faults=5.0,
            lives=(float("inf"),) * 2,
            told=1.0,
        ),
    )
    assert report.failure is None
