"""The small helpers, and the monitor of this computer's processes."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import crew_core as crew
from crew_core._launcher.processes import has_ended

Make = Callable[..., crew.Controller]
Spawn = Callable[..., "subprocess.Popen[bytes]"]

SECONDS = 60

# ── retry ──────────────────────────────────────────────────────────────────────────────────────


def test_retry_gives_up_in_time() -> None:
    with pytest.raises(TimeoutError):
        crew.retry(lambda: False, seconds_interval=0.01, seconds_timeout=0.05)


def test_retry_sees_what_appears(tmp_path: Path) -> None:
    path = tmp_path / "appears"
    code = f"import pathlib; pathlib.Path({str(path)!r}).touch()"
    process = subprocess.Popen([sys.executable, "-c", code])
    assert crew.retry(path.exists, seconds_interval=0.01) is True
    process.wait()


def test_retry_calls_as_often_as_it_may_and_no_more() -> None:
    calls: list[int] = []

    def call() -> bool:
        calls.append(1)
        return False

    with pytest.raises(TimeoutError):
        crew.retry(call, seconds_interval=0.001, max_tries=5)
    assert len(calls) == 5


def test_retry_refuses_what_it_cannot_do() -> None:
    with pytest.raises(TypeError):
        crew.retry("not a function")  # type: ignore[arg-type]  # what is tested
    with pytest.raises(crew.ConfigError, match="seconds_timeout"):
        crew.retry(list, seconds_timeout=-1)


# ── Names and processes ────────────────────────────────────────────────────────────────────────


def test_random_names_differ_and_leave_the_random_state_alone() -> None:
    state = random.getstate()
    names = {crew.random_name() for _ in range(100)}
    assert len(names) == 100
    assert random.getstate() == state
    assert len(crew.random_name(4)) < len(crew.random_name(16))


def test_a_process_can_be_terminated(spawn: Spawn) -> None:
    process = spawn()
    assert crew.terminate_process(process.pid)
    assert process.wait(SECONDS) != 0
    assert not crew.terminate_process(process.pid)


def test_a_process_that_does_not_listen_is_killed(spawn: Spawn) -> None:
    process = spawn(stubborn=True)
    assert crew.terminate_process(process.pid, seconds=0.05)
    assert process.wait(SECONDS) != 0


# ── The monitor ────────────────────────────────────────────────────────────────────────────────


def test_the_monitor_shows_what_is_there_and_ends_it(make: Make) -> None:
    monitor = crew.monitor("local")
    controller = make()
    mine = [controller.name]

    def shown(table: Any) -> list[int]:
        return [int(pid) for pid in table[table["controller"].isin(mine)]["pid"]]

    assert shown(monitor.dispatchers()) == shown(monitor.workers()) == []
    worker = controller.push("import os\nos.getppid()").result(SECONDS)
    assert len(shown(monitor.dispatchers())) == 1
    assert shown(monitor.workers()) == [worker]
    process = psutil.Process(worker)
    monitor.terminate([worker])
    crew.retry(lambda: has_ended(process), seconds_interval=0.02)
    assert worker not in shown(monitor.workers())
    assert controller.push("1").result(SECONDS) == 1  # by another


def test_the_monitor_spares_what_is_not_crews(spawn: Spawn) -> None:
    process = spawn()
    with pytest.raises(crew.ConfigError, match=str(process.pid)):
        crew.monitor("local").terminate([process.pid])
    assert process.poll() is None


# ── The client ─────────────────────────────────────────────────────────────────────────────────


def test_the_client_tells_of_connections_and_tasks(make: Make) -> None:
    controller = make(tasks_max=1)
    for _ in range(2):
        controller.push("1").result(SECONDS)
    summary = controller.client.summary()
    assert summary["instances"].sum() == 2
    assert (summary["assigned"].sum(), summary["complete"].sum()) == (2, 2)
    assert (controller.resolved, controller.unresolved) == (2, 0)


def test_the_client_lists_its_processes(make: Make) -> None:
    controller = make()
    controller.push("1").result(SECONDS)
    names = set(controller.client.resources()["name"])
    assert {"client", "dispatcher", "worker", "task process"} <= names


def test_the_client_lists_no_process_of_another_controller(make: Make) -> None:
    listed = []
    controllers = [make(), make()]
    for controller in controllers:
        controller.push("1").result(SECONDS)
    for controller in controllers:
        table = controller.client.resources()
        assert sorted(table["name"]) == ["client", "dispatcher", "task process", "worker"]
        listed.append(set(table["pid"]))
    assert len(listed[0] & listed[1]) == 1  # this one
