"""How many workers there are, when they come, and when they leave."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest

import crew_core as crew
from crew_core._launcher.local import LocalLauncher
from crew_core._launcher.processes import has_ended
from crew_core.plugins import LaunchRequest

Make = Callable[..., crew.Controller]

SECONDS = 60


def online(controller: crew.Controller) -> int:
    """How many workers are connected."""
    return int(controller.launcher.summary()["online"].sum())


def launches(controller: crew.Controller) -> int:
    """How many were launched since the start."""
    return int(controller.launcher.summary()["launches"].sum())


def all_names(controller: crew.Controller) -> list[str]:
    """The names of everything that is done."""
    table = controller.collect()
    assert table is not None
    assert set(table["status"]) == {"success"}
    return sorted(table["name"])


# ── Coming ─────────────────────────────────────────────────────────────────────────────────────


def test_persistent_workers_do_many_tasks(make: Make) -> None:
    controller = make(workers=2)
    names = [f"task {number:03}" for number in range(200)]
    for name in names:
        controller.push("import os\nos.getppid()", name=name)
    assert controller.wait(seconds_timeout=SECONDS)
    assert all_names(controller) == names
    assert launches(controller) <= 2


def test_transient_workers_do_one_task_each(make: Make) -> None:
    controller = make(workers=4, tasks_max=1)
    names = [f"task {number:02}" for number in range(12)]
    handles = [controller.push("import os\nos.getppid()", name=name) for name in names]
    assert controller.wait(seconds_timeout=SECONDS)
    assert all_names(controller) == names
    assert len({handle.result() for handle in handles}) == 12
    assert launches(controller) == 12


def test_transient_workers_and_a_wait_for_one(make: Make, gate: Any) -> None:
    controller = make(workers=2, tasks_max=1)
    held = controller.push(gate.hold)
    gate.wait_for(1)
    for number in range(3):
        controller.push("n", data={"n": number})
    for _ in range(3):
        assert controller.wait("one", seconds_timeout=SECONDS)
        assert controller.pop() is not None
    assert not held.done()


def test_thousands_of_tasks_while_workers_come_and_go(make: Make) -> None:
    controller = make(workers=4, tasks_max=200, seconds_idle=0.05)
    names = [f"task {number:04}" for number in range(2000)]
    controller.walk("name", {"name": names}, names="name")
    assert controller.wait(seconds_timeout=2 * SECONDS)
    assert all_names(controller) == names
    assert controller.empty
    assert controller.collect() is None


def test_workers_come_for_tasks_although_nobody_pops_or_waits(make: Make) -> None:
    controller = make(workers=1, tasks_max=1)
    done = threading.Semaphore(0)
    for _ in range(3):
        controller.push("1").add_done_callback(lambda _: done.release())
    for _ in range(3):
        assert done.acquire(timeout=SECONDS)


def test_after_descale_nothing_is_launched(make: Make) -> None:
    controller = make(workers=2)
    controller.descale()
    for _ in range(2):
        controller.push("1")
    assert controller.wait(seconds_timeout=0.3) is False
    assert (controller.unresolved, launches(controller)) == (2, 0)
    controller.descale()
    controller.autoscale()
    assert controller.wait(seconds_timeout=SECONDS) is True


def test_a_burst_is_one_launch(make: Make) -> None:
    """The original waits a little so that a burst can be one; here that is not a matter of time."""
    launcher = Counting()
    with crew.controller(launcher, workers=4) as controller:
        controller.map("x", {"x": list(range(100))})
    assert [len(request.workers) for request in launcher.requests] == [4]


def test_manual_launches_may_exceed_workers(make: Make) -> None:
    controller = make(workers=1)
    controller.launch(2)
    crew.retry(lambda: online(controller) == 2, seconds_interval=0.02)
    workers = [psutil.Process(int(job)) for job in controller.launcher.summary()["job"]]
    controller.terminate()
    crew.retry(lambda: all(map(has_ended, workers)), seconds_interval=0.02, seconds_timeout=SECONDS)


# ── Leaving ────────────────────────────────────────────────────────────────────────────────────


def test_idle_workers_leave_and_come_back(make: Make) -> None:
    controller = make(workers=2, seconds_idle=0.05)
    for _ in range(2):
        controller.map("x", {"x": list(range(100))})
        crew.retry(lambda: online(controller) == 0, seconds_interval=0.02)
    assert launches(controller) >= 2


def test_no_task_is_lost_to_a_worker_that_is_about_to_leave(make: Make) -> None:
    """In the original 3 of 37 tasks crashed when the idle time was as short as this."""
    controller = make(workers=2, seconds_idle=0.01, crashes_max=0)
    for number in range(20):
        handle = controller.push("n", data={"n": number})
        assert handle.result(SECONDS) == number
        time.sleep(0.001 * number)
    table = controller.collect()
    assert table is not None
    assert set(table["attempts"]) == {1}


def test_the_wall_time_ends_idle_workers_too(make: Make) -> None:
    controller = make(workers=1, seconds_wall=0.2)
    controller.launch()
    crew.retry(
        lambda: controller.launcher.summary()["state"].tolist() == ["exited"],
        seconds_interval=0.02,
    )
    assert controller.push("1").result(SECONDS) == 1


def test_timers_start_after_tasks_timers(make: Make) -> None:
    """Documented by the original, where it has no effect."""
    controller = make(workers=1, seconds_idle=0.05, tasks_timers=1)
    controller.launch()
    crew.retry(lambda: online(controller) == 1, seconds_interval=0.02)
    time.sleep(0.5)
    assert online(controller) == 1
    assert controller.push("1").result(SECONDS) == 1
    crew.retry(lambda: online(controller) == 0, seconds_interval=0.02)
    assert launches(controller) == 1


# ── Trouble ────────────────────────────────────────────────────────────────────────────────────


class Counting(LocalLauncher):
    """Remembers what it was asked for."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.requests: list[LaunchRequest] = []

    def launch(self, request: LaunchRequest) -> list[Any]:
        self.requests.append(request)
        return super().launch(request)


def test_options_that_cannot_be_are_refused_at_the_making() -> None:
    for option in ("seconds_idle", "seconds_wall", "seconds_launch", "tasks_max", "workers"):
        with pytest.raises((crew.ConfigError, TypeError), match=option):
            crew.controller("local", **{option: -1})
