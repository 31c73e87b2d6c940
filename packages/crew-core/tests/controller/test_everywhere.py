"""Warm-ups: what runs on every worker, what it leaves, and what becomes of one that fails."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew

Make = Callable[..., crew.Controller]

SECONDS = 90


def process_of_task() -> int:
    return os.getpid()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def workers_online(controller: crew.Controller, count: int) -> None:
    """Launch so many workers and wait until they are there."""
    controller.launch(count)
    crew.retry(lambda: controller.launcher.summary()["online"].sum() == count)


def only(warm_up: crew.Everywhere) -> crew.Record:
    """The record of the one worker that has run it."""
    (record,) = warm_up.results.values()
    return record


# ── Where and when ─────────────────────────────────────────────────────────────────────────────


def test_it_runs_on_every_worker_that_is_online(make: Make) -> None:
    controller = make(workers=2)
    workers_online(controller, 2)
    warm_up = controller.everywhere(process_of_task, name="pids")
    assert warm_up.wait(SECONDS)
    records = warm_up.results
    assert {r.worker for r in records.values()} == {1, 2}
    assert len({r.result for r in records.values()}) == 2
    assert {r.name for r in records.values()} == {"pids"}
    assert {(key, r.instance) for key, r in records.items()} == {(k, k) for k in records}


def test_it_runs_on_a_worker_that_comes_later_before_its_first_task(make: Make) -> None:
    controller = make(workers=1)
    warm_up = controller.everywhere("ready = True")
    assert controller.push("ready").result(SECONDS) is True
    assert only(warm_up).status == "success"
    assert controller.size == 1


def test_tasks_pushed_later_wait_for_it_on_a_busy_worker(make: Make, gate: Any) -> None:
    controller = make(workers=1)
    first = controller.push(gate.hold)
    gate.wait_for(1)
    controller.everywhere("ready = True")
    second = controller.push("'ready' in globals()")
    gate.open()
    assert second.result(SECONDS) is True
    assert first.done()


def test_several_run_in_the_order_in_which_they_were_given(make: Make) -> None:
    controller = make(workers=1)
    controller.everywhere("seen = ['a']")
    controller.everywhere("seen.append('b')")
    assert controller.push("seen").result(SECONDS) == ["a", "b"]


def test_it_is_no_task(make: Make) -> None:
    controller = make(workers=1)
    warm_up = controller.everywhere("1")
    controller.push("2").result(SECONDS)
    assert (controller.pushed, controller.size) == (1, 1)
    assert controller.summary()["tasks"].sum() == 1
    assert [r.result for r in controller.results()] == [2]
    assert only(warm_up).result == 1


def test_it_does_not_count_for_tasks_max(make: Make) -> None:
    controller = make(workers=1, tasks_max=2)
    controller.everywhere("1")
    tasks = [controller.push(os.getpid) for _ in range(2)]
    assert len({task.result(SECONDS) for task in tasks}) == 1


def test_it_launches_no_worker_and_waits_for_none(make: Make) -> None:
    controller = make(workers=1)
    warm_up = controller.everywhere("1")
    assert warm_up.wait(SECONDS)
    assert warm_up.results == {}
    assert len(controller.launcher.summary()) == 0


def test_a_task_process_that_is_replaced_is_warm_again(make: Make) -> None:
    controller = make(workers=1)
    warm_up = controller.everywhere("import os; pid = os.getpid(); pid")
    first = controller.push("pid").result(SECONDS)
    controller.push(die, name="dies")
    assert controller.push("pid, __import__('os').getpid()").result(SECONDS)[0] != first
    second = controller.push("pid").result(SECONDS)
    assert only(warm_up).result == second != first


def test_it_runs_again_where_another_controllers_run_begins_only_when_asked(make: Make) -> None:
    controller = make(workers=1)
    warm_up = controller.everywhere("ready = True")
    controller.terminate()
    assert not warm_up.active
    assert controller.push("'ready' in globals()").result(SECONDS) is False


# ── What it takes ──────────────────────────────────────────────────────────────────────────────


def test_it_takes_arguments_data_globals_and_packages(make: Make) -> None:
    controller = make(workers=1)
    call = controller.everywhere(pow, (2,), {"exp": 5})
    text = controller.everywhere(
        "total = add + shared + json.loads('1')",
        data={"add": 1},
        globals={"shared": 10},
        packages=["json"],
    )
    assert controller.push("total, shared, json.loads('2')").result(SECONDS) == (12, 10, 2)
    assert only(call).result == 32
    assert not text.errors


def test_a_seed_decides_its_random_numbers(make: Make) -> None:
    controller = make(workers=1)
    with_seed = [controller.everywhere("import random; random.random()", seed=7) for _ in "ab"]
    controller.push("1").result(SECONDS)
    assert len({only(warm_up).result for warm_up in with_seed}) == 1
    assert only(with_seed[0]).seed == 7


def test_it_does_not_change_the_random_numbers_of_tasks(make: Make) -> None:
    values = []
    for warm in (False, True):
        controller = make(workers=1, seed=1)
        if warm:
            controller.everywhere("import random; random.random()")
        values.append(controller.push("import random; random.random()").result(SECONDS))
    assert values[0] == values[1]


def test_a_time_limit_stops_it_and_the_worker_goes_on(make: Make) -> None:
    controller = make(workers=1)
    warm_up = controller.everywhere("import time; time.sleep(60)", seconds_timeout=0.2)
    assert controller.push("1").result(SECONDS) == 1
    assert only(warm_up).status == "timeout"


def test_its_command_is_in_its_records_on_request(make: Make) -> None:
    controller = make(workers=1)
    warm_up = controller.everywhere("x = 1", save_command=True)
    controller.push("x").result(SECONDS)
    assert only(warm_up).command == "x = 1"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"command": "1 +"}, crew.ConfigError),
        ({"command": 3}, TypeError),
        ({"command": "1", "packages": ["not a name"]}, crew.ConfigError),
        ({"command": "1", "seconds_timeout": 0}, crew.ConfigError),
        ({"command": len, "args": (threading.Lock(),)}, crew.SerializationError),
    ],
)
def test_a_mistake_is_told_at_the_call(
    make: Make, arguments: dict[str, Any], error: type[Exception]
) -> None:
    controller = make()
    with pytest.raises(error):
        controller.everywhere(**arguments)
    assert not controller.started


# ── What it leaves ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("reset", [True, False])
def test_what_it_leaves_survives_the_resets_between_tasks(
    make: Make, tmp_path: Path, reset: bool
) -> None:
    (tmp_path / "warm_module.py").write_text("state = 'fresh'\n")
    controller = make(workers=1, reset_globals=reset, reset_packages=reset, reset_options=reset)
    controller.everywhere(
        "import os, sys\n"
        "sys.path.insert(0, folder)\n"
        "import warm_module\n"
        "warm_module.state = 'warm'\n"
        "os.environ['WARM'] = 'yes'\n"
        "os.chdir(folder)\n"
        "kept: int = 1\n"
        "def double(x): return 2 * x\n",
        data={"folder": str(tmp_path)},
    )
    look = "import os; (kept, double(4), warm_module.state, os.environ['WARM'], os.getcwd())"
    expected = (1, 8, "warm", "yes", str(tmp_path))
    assert controller.push(look).result(SECONDS) == expected
    controller.push("global kept\nkept = 5").result(SECONDS)
    assert controller.push(look).result(SECONDS) == ((1 if reset else 5), *expected[1:])


def test_functions_shipped_by_value_see_the_names_it_left(make: Make) -> None:
    controller = make(workers=1)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(
        "model = None\n"
        "def load():\n    global model\n    model = 'loaded'\n"
        "def use():\n    return model\n",
        names,
    )
    before = controller.push(names["use"])
    assert before.result(SECONDS) is None
    controller.everywhere(names["load"])
    assert controller.push(names["use"]).result(SECONDS) == "loaded"
    assert controller.push(names["use"]).result(SECONDS) == "loaded"
    assert controller.push("model").result(SECONDS) == "loaded"


# ── When it fails ──────────────────────────────────────────────────────────────────────────────


def test_one_that_raises_is_told_and_tasks_run(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    controller = make(workers=1)
    with caplog.at_level(logging.WARNING, "crew"):
        warm_up = controller.everywhere("left = 1; 1 / 0", name="divides")
        assert controller.push("left").result(SECONDS) == 1
    (record,) = warm_up.errors.values()
    assert (record.status, record.error) == ("error", "ZeroDivisionError: division by zero")
    assert isinstance(record.exception, ZeroDivisionError)
    assert "'divides'" in caplog.text
    assert warm_up.active


def test_one_that_kills_its_process_is_given_up_after_crashes_max(make: Make) -> None:
    controller = make(workers=1, crashes_max=3)
    good = controller.everywhere("ready = True")
    bad = controller.everywhere(die, name="deadly")
    assert controller.push("ready").result(SECONDS) is True
    assert bad.wait(SECONDS)
    assert not bad.active
    assert bad.given_up is not None
    assert "'deadly'" in bad.given_up
    assert "crash 3 in a row" in bad.given_up
    (record,) = bad.errors.values()
    assert (record.status, record.cause) == ("crash", "signal 9")
    assert good.active
    log = controller.logs(1)
    assert log.count("(signal 9)") == 3
    assert controller.crashes("deadly") == 0


def test_one_that_ignores_its_time_limit_does_not_go_on_for_ever(make: Make) -> None:
    controller = make(workers=1, crashes_max=1)
    stubborn = (
        "import signal, time\n"
        "while True:\n"
        "    try: time.sleep(60)\n"
        "    except BaseException: pass\n"
    )
    warm_up = controller.everywhere(stubborn, seconds_timeout=0.1)
    assert controller.push("1").result(SECONDS) == 1
    assert warm_up.given_up is not None
    assert only(warm_up).status == "timeout"


def test_one_whose_worker_is_killed_is_tried_on_the_next(make: Make, gate: Any) -> None:
    controller = make(workers=1)
    warm_up = controller.everywhere(gate.hold)
    task = controller.push("1")
    gate.wait_for(1)
    supervisor = crew.monitor("local").workers()
    mine = supervisor[supervisor["controller"] == controller.name]
    os.kill(int(mine["pid"].iloc[0]), signal.SIGKILL)
    gate.wait_for(2)
    gate.open()
    assert task.result(SECONDS) == 1
    assert task.record is not None
    assert task.record.attempts == 1
    assert sorted(r.status for r in warm_up.results.values()) == ["crash", "success"]


# ── The handle ─────────────────────────────────────────────────────────────────────────────────


def test_waiting_for_it_has_an_end(make: Make, gate: Any) -> None:
    controller = make(workers=1)
    workers_online(controller, 1)
    warm_up = controller.everywhere(gate.hold)
    assert warm_up.wait(0) is False
    gate.open()
    assert warm_up.wait(SECONDS) is True


def test_it_can_be_awaited(make: Make) -> None:
    controller = make(workers=1)
    workers_online(controller, 1)

    async def main() -> list[Any]:
        results = await controller.everywhere("6 * 7")
        return [record.result for record in results.values()]

    assert asyncio.run(main()) == [42]


def test_cancelled_it_runs_on_no_further_worker(make: Make) -> None:
    controller = make(workers=1, tasks_max=1)
    warm_up = controller.everywhere("ready = True")
    assert controller.push("'ready' in globals()").result(SECONDS) is True
    warm_up.cancel()
    assert controller.push("'ready' in globals()").result(SECONDS) is False
    assert not warm_up.active
    assert len(warm_up.results) == 1
    warm_up.cancel()


def test_cancelled_while_it_runs_it_is_stopped(make: Make, gate: Any) -> None:
    controller = make(workers=1)
    warm_up = controller.everywhere(gate.hold)
    task = controller.push("1")
    gate.wait_for(1)
    warm_up.cancel()
    assert task.result(SECONDS) == 1
    assert warm_up.wait(SECONDS)


def test_a_terminated_controller_ends_the_wait(make: Make, gate: Any) -> None:
    controller = make(workers=1)
    workers_online(controller, 1)
    warm_up = controller.everywhere(gate.hold)
    gate.wait_for(1)
    controller.terminate()
    with pytest.raises(crew.CrewError, match="terminated"):
        warm_up.wait(SECONDS)
