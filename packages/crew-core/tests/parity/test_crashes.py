"""What happens to a task whose worker dies under it, and what does not happen to the others."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import crew_core as crew
from crew_core._launcher.processes import has_ended

Make = Callable[..., crew.Controller]
Run = Callable[..., crew.Record]

SECONDS = 60

CRASH = "import os\nos._exit(1)"


def crash_at_first(folder: Path, times: int) -> str:
    """Crashes so many times, and then returns."""
    attempt = len(list(folder.iterdir()))
    (folder / str(attempt)).touch()
    if attempt < times:
        os._exit(1)
    return "survived"


def test_a_crashed_task_is_tried_again(make: Make, run_on: Run, tmp_path: Path) -> None:
    """The original leaves that to its callers."""
    record = run_on(make(crashes_max=3), crash_at_first, (tmp_path, 2), name="phoenix")
    assert (record.status, record.result, record.attempts) == ("success", "survived", 3)


def test_without_retries_each_crash_is_counted_under_its_name(make: Make, run_on: Run) -> None:
    """As the original does: the caller pushes again, and watches ``crashes``."""
    controller = make(retry_tasks=False, crashes_max=2)
    for crashes in (1, 2, 3):
        record = run_on(controller, CRASH, name="x")
        assert (record.status, record.code, record.attempts) == ("crash", 19, 1)
        assert controller.crashes("x") == crashes
        assert controller.crashes("y") == 0
    assert controller.summary()["crash"].sum() == 3


def test_crashes_max_of_zero(make: Make, run_on: Run) -> None:
    controller = make(crashes_max=0)
    assert run_on(controller, "1", name="x").status == "success"
    assert controller.crashes("x") == 0
    assert run_on(controller, CRASH, name="x").status == "crash"
    assert controller.crashes("x") == 1


def test_crashes_max_of_two(make: Make, run_on: Run) -> None:
    controller = make(crashes_max=2)
    record = run_on(controller, CRASH, name="x")
    assert (record.status, record.attempts, controller.crashes("x")) == ("crash", 2, 2)


def test_a_success_sets_the_count_back(make: Make, run_on: Run, tmp_path: Path) -> None:
    controller = make(crashes_max=2)
    for cycle in range(6):
        folder = tmp_path / str(cycle)
        folder.mkdir()
        assert run_on(controller, crash_at_first, (folder, 1), name="x").status == "success"
        assert controller.crashes("x") == 0
    table = controller.collect()
    assert table is None


def test_an_error_in_between_does_not_set_the_count_back(make: Make, run_on: Run) -> None:
    """In the original it does, so that crashing and failing by turns may go on for ever."""
    controller = make(retry_tasks=False)
    statuses = [run_on(controller, text, name="x").status for text in (CRASH, "1 / 0", CRASH)]
    assert statuses == ["crash", "error", "crash"]
    assert controller.crashes("x") == 2


def test_crashes_are_counted_when_they_happen(make: Make) -> None:
    """In the original they are counted when they are popped."""
    controller = make(crashes_max=0)
    controller.push(CRASH, name="x")
    assert controller.wait(seconds_timeout=SECONDS)
    assert controller.crashes("x") == 1
    assert controller.pop() is not None
    assert controller.crashes("x") == 1


def test_a_crash_does_not_poison_collect(make: Make) -> None:
    """In the original every collect raised, counted once more, and kept the good results."""
    controller = make(workers=2, crashes_max=0)
    for number in range(3):
        controller.push("n", data={"n": number}, name=f"good {number}")
    controller.push(CRASH, name="bad")
    assert controller.wait(seconds_timeout=SECONDS)
    table = controller.collect()
    assert table is not None
    assert dict(zip(table["name"], table["status"], strict=True)) == {
        "good 0": "success",
        "good 1": "success",
        "good 2": "success",
        "bad": "crash",
    }
    assert controller.crashes("bad") == 1
    assert controller.empty


def test_a_crash_raises_only_when_asked_to_and_its_record_is_not_lost(make: Make) -> None:
    controller = make(crashes_max=0)
    controller.push(CRASH, name="bad")
    assert controller.wait(seconds_timeout=SECONDS)
    with pytest.raises(crew.TaskError) as caught:
        controller.pop(error="stop")
    assert caught.value.record is not None
    assert caught.value.record.name == "bad"
    assert controller.empty


def test_a_task_that_never_started_does_not_crash(make: Make, gate: Any) -> None:
    """The one that ran when the worker was killed is tried again, as are those that waited."""
    controller = make(workers=1)
    handles = [controller.push(gate.hold, (number,)) for number in range(5)]
    gate.wait_for(1)
    worker = psutil.Process(int(controller.launcher.summary()["job"].iloc[0]))
    below = worker.children(recursive=True)
    os.kill(worker.pid, signal.SIGKILL)
    crew.retry(lambda: all(map(has_ended, below)), seconds_interval=0.02, seconds_timeout=SECONDS)
    gate.open()
    assert [handle.result(SECONDS) for handle in handles] == list(range(5))
    attempts = [handle.record.attempts for handle in handles if handle.record is not None]
    assert attempts == [2, 1, 1, 1, 1]


def test_garbage_collection_here_kills_no_worker(make: Make, gate: Any) -> None:
    """In the original, workers that were online died when the handles of their launch were."""
    controller = make(workers=2)
    handles = [controller.push(gate.hold, (number,)) for number in range(2)]
    gate.wait_for(2)
    controller.scale()
    workers = [psutil.Process(int(job)) for job in controller.launcher.summary()["job"]]
    for _ in range(3):
        gc.collect()
    gate.open()
    assert [handle.result(SECONDS) for handle in handles] == [0, 1]
    assert all(worker.is_running() for worker in workers)
    assert [h.record.attempts for h in handles if h.record is not None] == [1, 1]
