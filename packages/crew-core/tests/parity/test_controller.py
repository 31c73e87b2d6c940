"""The life of one controller: before the start, at work, after the end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import psutil
import pytest

import crew_core as crew
from crew_core._launcher.processes import has_ended
from crew_core._model.names import random_name

Make = Callable[..., crew.Controller]
Run = Callable[..., crew.Record]

SECONDS = 60


def started(controller: crew.Controller) -> bool:
    """A call, as mypy takes a property for a constant."""
    return controller.started


# ── Before the start ───────────────────────────────────────────────────────────────────────────


def test_a_controller_that_is_not_started_answers_all_questions(make: Make) -> None:
    name = random_name()
    controller = make(name=name)
    assert controller.name == name
    assert not started(controller)
    assert controller.empty
    assert not controller.nonempty
    assert not controller.saturated
    counts = (controller.size, controller.pushed, controller.resolved, controller.unresolved)
    assert counts == (0, 0, 0, 0)
    assert controller.pop() is None
    assert controller.collect() is None
    assert controller.wait("all") is True
    assert controller.wait("one") is False
    assert controller.error is None
    assert controller.crashes("nobody") == 0
    assert controller.pop_backlog() == []
    assert len(controller.summary()) == 0
    controller.cancel(all=True)
    controller.cancel(["nobody"])
    assert not started(controller)


def test_every_method_that_needs_it_starts_the_controller(make: Make) -> None:
    calls: list[Callable[[crew.Controller], object]] = [
        lambda controller: controller.push("1"),
        lambda controller: controller.walk("x", {"x": [1]}),
        lambda controller: controller.map("x", {"x": [1]}),
        lambda controller: controller.launch(),
        lambda controller: controller.scale(),
        lambda controller: controller.autoscale(),
        lambda controller: controller.descale(),
    ]
    controller = make()
    for call in calls:
        assert not started(controller)
        call(controller)
        assert started(controller)
        controller.terminate()


def test_start_may_be_called_twice(make: Make) -> None:
    controller = make()
    controller.start()
    dispatcher = controller.client.resources()["pid"].tolist()
    controller.start()
    assert controller.client.resources()["pid"].tolist() == dispatcher
    assert controller.empty
    assert not controller.saturated
    assert controller.wait(seconds_timeout=SECONDS) is True


# ── One task ───────────────────────────────────────────────────────────────────────────────────


def test_a_task_is_the_controllers_until_it_is_popped(controller: crew.Controller) -> None:
    handle = controller.push(os.getpid, name="get pid")
    assert (controller.empty, controller.nonempty, controller.size) == (False, True, 1)
    assert controller.wait(seconds_timeout=SECONDS)
    assert (controller.empty, controller.nonempty, controller.unresolved) == (False, True, 0)
    record = controller.pop()
    assert record is not None
    assert record.name == handle.name == "get pid"
    assert record.result != os.getpid()
    assert record.controller == controller.name
    assert (controller.empty, controller.nonempty) == (True, False)
    assert controller.pop() is None


def test_push_returns_a_future_whose_value_is_there_before_the_pop(
    controller: crew.Controller,
) -> None:
    handle = controller.push("6 * 7")
    assert isinstance(handle, Future)
    assert handle.result(SECONDS) == 42
    assert controller.size == 1
    record = controller.pop()
    assert record is not None
    assert record.result == 42


def test_a_push_can_be_awaited(controller: crew.Controller) -> None:
    async def push() -> object:
        return await controller.push("6 * 7")

    assert asyncio.run(push()) == 42


def test_a_task_with_everything(run: Run) -> None:
    record = run(
        "math.floor(crew.rng().random() * scale) + shift",
        data={"scale": 1000},
        globals={"shift": 5, "crew": crew},
        packages=["math"],
        seed=12,
        algorithm="MT19937",
        seconds_timeout=SECONDS,
        name="everything",
        save_command=True,
    )
    assert record.status == "success"
    assert 5 <= record.result < 1005
    assert (record.seed, record.algorithm) == (12, "MT19937")
    assert "math.floor" in str(record.command)


def test_a_task_with_a_command_that_was_prepared_elsewhere(run: Run) -> None:
    """The original quotes what stands in the call; here a command is a value to begin with."""
    text = " + ".join(["x", "y"])
    assert run(text, data={"x": 1, "y": 2}).result == 3


def test_status_and_code_for_each_way_to_end(
    controller: crew.Controller, make: Make, gate: Any
) -> None:
    strict = make(crashes_max=0)
    ends = {
        ("success", 0): controller.push("1"),
        ("error", -1): controller.push("1 / 0"),
        ("crash", 19): strict.push("import os\nos._exit(1)"),
        ("cancel", 20): controller.push(gate.hold, name="held"),
        ("timeout", 5): controller.push(gate.hold, seconds_timeout=0.1),
    }
    controller.cancel("held")
    for (status, code), handle in ends.items():
        crew.retry(handle.done, seconds_interval=0.01)
        assert handle.record is not None
        assert (handle.record.status, handle.record.code) == (status, code)


def test_a_name_is_taken_until_its_task_is_popped(controller: crew.Controller) -> None:
    controller.push("1", name="twice")
    with pytest.raises(crew.ConfigError, match="'twice'"):
        controller.push("2", name="twice")
    assert controller.wait(seconds_timeout=SECONDS)
    with pytest.raises(crew.ConfigError, match="'twice'"):
        controller.push("2", name="twice")
    controller.pop()
    controller.push("2", name="twice")


def test_rounds_of_tasks_with_the_same_names(controller: crew.Controller) -> None:
    names = [f"task {number}" for number in range(200)]
    for round_ in range(3):
        for number, name in enumerate(names):
            controller.push("n + 1000 * r", data={"n": number, "r": round_}, name=name)
        values = {}
        while controller.nonempty:
            assert controller.wait("one", seconds_timeout=SECONDS)
            record = controller.pop()
            assert record is not None
            values[record.name] = record.result
        assert values == {name: i + 1000 * round_ for i, name in enumerate(names)}


# ── Records out ────────────────────────────────────────────────────────────────────────────────


def test_pop_tells_of_failure_as_it_is_asked_to(controller: crew.Controller) -> None:
    for _ in range(4):
        controller.push("raise ValueError('of mine')")
    assert controller.wait(seconds_timeout=SECONDS)
    with pytest.raises(crew.TaskError, match="of mine"):
        controller.pop(error="stop")
    with pytest.warns(crew.TaskWarning, match="of mine"):
        assert controller.pop(error="warn") is not None
    assert controller.pop(error="silent") is not None
    with pytest.raises(crew.ConfigError, match="error="):
        controller.pop(error="loud")  # type: ignore[arg-type]  # what is tested
    assert controller.pop() is not None
    assert controller.empty


def test_collect_takes_what_is_done_and_leaves_what_runs(make: Make, gate: Any) -> None:
    controller = make(workers=3)
    held = controller.push(gate.hold, name="held")
    done = [controller.push(abs, (-n,), name=f"done {n}") for n in range(2)]
    for handle in done:
        handle.result(SECONDS)
    table = controller.collect()
    assert table is not None
    assert sorted(table["name"]) == ["done 0", "done 1"]
    assert controller.size == 1
    assert controller.collect() is None
    gate.open()
    held.result(SECONDS)
    table = controller.collect()
    assert table is not None
    assert list(table["name"]) == ["held"]


def test_collect_tells_of_failure_as_it_is_asked_to(controller: crew.Controller) -> None:
    def fail() -> None:
        controller.push("1")
        controller.push("raise ValueError('of mine')")
        assert controller.wait(seconds_timeout=SECONDS)

    fail()
    with pytest.raises(crew.ConfigError, match="error="):
        controller.collect(error="loud")  # type: ignore[arg-type]  # what is tested
    with pytest.raises(crew.TaskError, match="of mine"):
        controller.collect(error="stop")
    assert controller.error is not None
    assert len(controller.error) == 2
    fail()
    with pytest.warns(crew.TaskWarning, match="of mine"):
        assert controller.collect(error="warn") is not None
    fail()
    table = controller.collect(error="silent")
    assert table is not None
    assert sorted(table["status"]) == ["error", "success"]


def test_records_come_in_the_order_of_completion(controller: crew.Controller, gate: Any) -> None:
    controller.push(gate.hold, name="slow")
    for name in ("first", "second"):
        controller.push("1", name=name).result(SECONDS)
    gate.open()
    assert controller.wait(seconds_timeout=SECONDS)
    names = [record.name for record in controller.results()]
    assert names == ["first", "second", "slow"]


def test_the_summary_counts_how_tasks_ended(make: Make) -> None:
    controller = make()
    for text in ("1", "1 / 0", "import warnings\nwarnings.warn('w')\nraise ValueError"):
        controller.push(text)
    assert controller.wait(seconds_timeout=SECONDS)
    controller.collect()
    summary = controller.summary()
    assert (summary["controller"] == controller.name).all()
    columns = ["tasks", "success", "error", "crash", "cancel", "timeout", "warnings"]
    assert summary[columns].sum().tolist() == [3, 1, 2, 0, 0, 0, 1]
    assert summary["seconds"].sum() >= 0


def test_the_summary_adds_up_when_tasks_have_no_seconds(make: Make, gate: Any) -> None:
    """In the original one crash or cancel made the sum of the seconds unknown for good."""
    controller = make(crashes_max=0)
    controller.push("1")
    controller.push("import os\nos._exit(1)")
    controller.push(gate.hold, name="held")
    gate.wait_for(1)
    controller.cancel("held")
    assert controller.wait(seconds_timeout=SECONDS)
    summary = controller.summary()
    assert summary["seconds"].notna().all()
    assert summary[["success", "crash", "cancel"]].sum().tolist() == [1, 1, 1]


# ── The end ────────────────────────────────────────────────────────────────────────────────────


def test_terminate_ends_dispatcher_and_workers(make: Make) -> None:
    controller = make(workers=2)
    controller.launch(2)
    controller.push("1").result(SECONDS)
    resources = controller.client.resources().set_index("name")
    ours = [psutil.Process(int(resources["pid"]["dispatcher"]))]
    for job in controller.launcher.summary()["job"]:
        worker = psutil.Process(int(job))
        ours += [worker, *worker.children(recursive=True)]
    assert len(ours) >= 3
    controller.terminate()
    assert not started(controller)
    crew.retry(lambda: all(map(has_ended, ours)), seconds_interval=0.02, seconds_timeout=SECONDS)


def test_terminate_may_be_called_twice_and_before_any_start(make: Make) -> None:
    controller = make()
    controller.terminate()
    controller.push("1")
    controller.terminate()
    controller.terminate()
    assert controller.empty
    assert not started(controller)


def test_nothing_brings_a_terminated_controller_back_by_itself(make: Make) -> None:
    """In the original a pending round of autoscaling started it again, and then failed."""
    controller = make(seconds_interval=0.01)
    controller.autoscale()
    controller.push("1").result(SECONDS)
    controller.terminate()
    assert not started(controller)
    before = len(controller.launcher.summary())
    assert controller.wait(seconds_timeout=0.1) is True
    assert not started(controller)
    assert len(controller.launcher.summary()) == before


def test_two_controllers_of_one_name_do_not_meet(make: Make) -> None:
    """The original refuses a second client on an active profile; there is nothing to clash here."""
    name = random_name()
    first, second = make(name=name), make(name=name)
    pids = [controller.push(os.getpid).result(SECONDS) for controller in (first, second)]
    assert pids[0] != pids[1]
    first.terminate()
    assert second.push("1").result(SECONDS) == 1
