"""The sequential controller: the same records as from local workers, made in this process."""

from __future__ import annotations

import asyncio
import functools
import os
import random
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crew_core as crew

SECONDS = 30

ELSEWHERE = ("launcher", "controller", "instance", "pid", "job", "log", "rss_peak")
TIMES = ("seconds", "pushed_at", "started_at", "finished_at")

LOCK = threading.Lock()
OFFSET = 10


# ── What is run on both ────────────────────────────────────────────────────────────────────────


def add(a: int, b: int = 0) -> int:
    return a + b


def with_offset(a: int) -> int:
    return a + OFFSET


def adder(n: int) -> Callable[[int], int]:
    return lambda a: a + n


async def add_later(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


def fail() -> None:
    try:
        [].pop()
    except IndexError as error:
        raise ValueError("no such thing") from error


class Stubborn(Exception):  # noqa: N818  (its name is not the point)
    """An exception that pickle cannot take."""

    def __init__(self) -> None:
        super().__init__("stubborn")
        self.lock = threading.Lock()


def fail_stubbornly() -> None:
    raise Stubborn


def warn(count: int) -> str:
    for number in range(count):
        warnings.warn(f"watch out {number}", UserWarning, stacklevel=1)
    warnings.warn("old", DeprecationWarning, stacklevel=1)  # ignored by Python's own filters
    return "warned"


def warn_strictly() -> None:
    with warnings.catch_warnings():  # a worker would keep the filter for the next task
        warnings.simplefilter("error")
        warnings.warn("too much", UserWarning, stacklevel=1)


def leave(code: Any) -> None:
    sys.exit(code)


def interrupt_itself() -> None:
    raise KeyboardInterrupt


def change(values: list[int]) -> list[int]:
    values.append(4)
    return values


def draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.random()), float(crew.rng().random())


def sleep() -> None:
    time.sleep(60)


def spin() -> None:
    while True:
        pass


def shrug_off() -> str:
    try:
        time.sleep(60)
    except BaseException:  # noqa: BLE001  (this one ignores its interrupt)
        return "shrugged"
    return "slept"


def fork() -> int:
    child = os.fork()
    if child == 0:
        return 1  # its part of the task ends here, and nobody hears of it
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def look_around() -> dict[str, Any]:
    main = sys.modules["__main__"]
    return {
        "main": sorted(vars(main)),
        "argv": sys.argv,
        "here": os.getcwd(),
        "modules": "crew_core" in sys.modules,
    }


@dataclass(frozen=True)
class Push:
    """A call of ``push``."""

    command: Any
    args: Any = ()
    data: dict[str, Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def on(self, controller: crew.Controller) -> crew.Record:
        name = self.options.get("name", "task")
        handle = controller.push(
            self.command, self.args, self.data, **{**self.options, "name": name}
        )
        assert controller.wait(seconds_timeout=SECONDS)
        assert controller.pop() is handle.record
        assert handle.record is not None
        return handle.record


def push(command: Any, *args: Any, data: dict[str, Any] | None = None, **options: Any) -> Push:
    return Push(command, args, data, options)


PUSHES = {
    "a function": push(add, 1, 2),
    "data": push(add, 1, data={"b": 5}),
    "a list of args": Push(add, [1, 2]),
    "a built-in": push(len, "four"),
    "a closure": push(adder(3), 4),
    "a partial": push(functools.partial(add, b=2), 1),
    "a method": push("a-b".split, "-"),
    "a class": push(complex, 1, 2),
    "an async function": push(add_later, 1, 2),
    "an async function that fails": push(add_later, 1, "2"),
    "a function with a global name": push(with_offset, 1),
    "globals for a function": push(with_offset, 1, globals={"OFFSET": 100}),
    "text": push("a * 2", data={"a": 4}),
    "text of several statements": push("import math\nx = math.floor(a)\nx + 1", data={"a": 4.5}),
    "text with nested scopes": push("[a * i for i in range(b)]", data={"a": 2, "b": 3}),
    "text with globals": push("a + d", data={"a": 1}, globals={"d": 2}),
    "text without a value": push("x = 1"),
    "text that fails": push("1 / a", data={"a": 0}),
    "text that looks around": push("__name__, sorted(globals())"),
    "packages": push("json.dumps([1])", packages=["json"]),
    "packages of packages": push("xml.dom.__name__", packages=["xml.dom"]),
    "packages that are missing": push("1", packages=["no_such_package_at_all"]),
    "a seed": push(draw, seed=42),
    "a large seed": push(draw, seed=2**62),
    "no seed": push(draw),
    "an algorithm": push(draw, seed=1, algorithm="Philox"),
    "an algorithm without a seed": push(draw, algorithm="SFC64"),
    "a time limit that is kept": push(add, 1, 2, seconds_timeout=SECONDS),
    "a time limit that is not kept": push(sleep, seconds_timeout=0.3),
    "a time limit in the midst of work": push(spin, seconds_timeout=0.3),
    "a time limit that is ignored": push(shrug_off, seconds_timeout=0.3),
    "a limit of waiting": push(add, 1, seconds_queue=SECONDS),
    "an expected time": push(add, 1, seconds_expected=5),
    "a priority": push(add, 1, priority=7),
    "save_command": push(add, 1, save_command=True),
    "save_command of text": push("1 + 1", save_command=True),
    "scale and throttle": push(add, 1, scale=True, throttle=False),
    "a name": push(add, 1, name="a name of its own"),
    "an error": push(fail),
    "an error that does not pickle": push(fail_stubbornly),
    "a long error": push("raise ValueError('x' * 5000)"),
    "a warning": push(warn, 1),
    "too many warnings": push(warn, 80),
    "a warning and an error": push("import warnings; warnings.warn('first'); 1 / 0"),
    "a warning that is an error": push(warn_strictly),
    "sys.exit": push(leave, 3),
    "sys.exit with a message": push(leave, "bye"),
    "sys.exit without a code": push(leave, None),
    "KeyboardInterrupt": push(interrupt_itself),
    "a result that does not pickle": push("import threading; threading.Lock()"),
    "a result that fails to load": push(
        "class Odd:\n    def __reduce__(self):\n        return int, ('x',)\nOdd()"
    ),
    "an argument that is changed": push(change, [1, 2, 3]),
    "a fork": push(fork),
    "a look around": push(look_around),
}


@pytest.fixture(scope="module")
def local(state_home: Path) -> Iterator[crew.Controller]:
    with crew.controller("local", seed=7) as controller:
        yield controller


@pytest.fixture(scope="module")
def shared_sequential(state_home: Path) -> Iterator[crew.Controller]:
    with crew.controller("sequential", seed=7) as controller:
        yield controller


@pytest.fixture
def sequential() -> Iterator[crew.Controller]:
    with crew.controller("sequential") as controller:
        yield controller


def facts(record: crew.Record) -> dict[str, Any]:
    """All that a record says of the task, rather than of where and when it ran."""
    columns = {c: getattr(record, c) for c in record.__struct_fields__}
    for column in (*ELSEWHERE, *TIMES, "stream"):
        del columns[column]
    exception = columns.pop("exception")
    return {**columns, "exception": repr(exception), "cause": repr(record.cause)}


# ── The same as on workers ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("task", PUSHES.values(), ids=PUSHES)
def test_the_record_is_that_of_a_local_worker(
    task: Push, local: crew.Controller, shared_sequential: crew.Controller
) -> None:
    there, here = task.on(local), task.on(shared_sequential)
    assert facts(here) == facts(there)
    # The same number of tasks before it: so the same random stream.
    assert here.pushed_at is not None
    assert here.seconds is not None
    if there.status != "timeout":  # where a process that is slow to be interrupted is killed
        assert (here.started_at is None) == (there.started_at is None)


REFUSED = {
    "an argument that does not pickle": push(add, LOCK),
    "an argument deep inside": push(add, [{"a": (1, LOCK)}]),
    "data that do not pickle": push(add, data={"a": LOCK}),
    "globals that do not pickle": push("1", globals={"a": LOCK}),
    "a function that does not pickle": push(functools.partial(id, LOCK)),
    "what is no command": push(3),
    "text that is no Python": push("1 +"),
    "text with args": push("1", 2),
    "an unknown algorithm": push(add, algorithm="Phlox"),
    "a seed that is none": push(add, seed=-1),
    "a timeout that is none": push(add, seconds_timeout=0),
    "a package that is none": push(add, packages=["no package"]),
    "a priority that is none": push(add, priority="high"),
}


@pytest.mark.parametrize("task", REFUSED.values(), ids=REFUSED)
def test_what_push_refuses_is_refused_in_the_same_words(
    task: Push, local: crew.Controller, shared_sequential: crew.Controller
) -> None:
    with pytest.raises(Exception) as there:  # noqa: PT011  (compared below)
        task.on(local)
    with pytest.raises(Exception) as here:  # noqa: PT011
        task.on(shared_sequential)
    assert (type(here.value), str(here.value)) == (type(there.value), str(there.value))


def test_the_record_says_that_it_ran_in_this_process(sequential: crew.Controller) -> None:
    record = push(os.getpid).on(sequential)
    assert record.result == record.pid == os.getpid()
    assert (record.launcher, record.controller) == ("sequential", sequential.name)
    assert (record.worker, record.host, record.attempts) == (1, socket.gethostname(), 1)
    assert (record.job, record.log, record.cause) == (None, None, None)
    assert record.instance
    assert record.rss_peak
    assert record.pushed_at is not None
    assert record.started_at is not None
    assert record.finished_at is not None
    assert record.pushed_at <= record.started_at <= record.finished_at


def test_streams_without_a_seed_are_those_of_the_controllers_root() -> None:
    drawn = []
    for which in ("local", "sequential"):
        with crew.controller(which, seed=11) as controller:
            table = controller.map(draw_for, {"n": [1, 2, 3]})
            drawn.append(table.result.tolist())
    assert drawn[0] == drawn[1]


def draw_for(n: int) -> tuple[float, float, float]:
    return draw()


def test_a_stream_is_rebuilt_from_the_record(sequential: crew.Controller) -> None:
    record = push(draw).on(sequential)
    assert float(crew.rng(record).random()) == record.result[2]


# ── When tasks run ─────────────────────────────────────────────────────────────────────────────


def test_push_runs_the_task_before_it_returns(sequential: crew.Controller) -> None:
    handle = sequential.push(add, (1, 2))
    assert handle.done()
    assert (sequential.pushed, sequential.resolved, sequential.unresolved) == (1, 1, 0)
    assert sequential.wait("one", seconds_timeout=0)
    assert handle.result() == 3


def test_whoever_waits_in_the_standard_librarys_way_is_served(sequential: crew.Controller) -> None:
    handles = [sequential.submit(add, n) for n in range(3)]
    assert wait(handles, SECONDS, FIRST_COMPLETED).not_done == set()
    with sequential.executor() as executor:
        assert list(executor.map(add, [1, 2])) == [1, 2]
    assert [r.result for r in sequential.results()] == []


def test_tasks_that_are_not_to_run_yet_wait_in_order_of_priority(
    sequential: crew.Controller,
) -> None:
    sequential.descale()
    for name, priority in (("low", 0), ("high", 5), ("low too", 0)):
        sequential.push(add, (1,), name=name, priority=priority)
    assert not sequential.wait(seconds_timeout=0.01)
    assert sequential.pop() is None
    sequential.autoscale()
    popped = [record.name for record in sequential.results()]
    assert popped == ["high", "low", "low too"]


def test_who_waits_for_a_handle_runs_its_task(sequential: crew.Controller) -> None:
    first, second, third = (sequential.push(add, (n,), scale=False) for n in range(3))
    assert second.result(SECONDS) == 1
    assert [handle.done() for handle in (first, second, third)] == [True, True, False]


def test_a_waiting_task_can_be_cancelled(sequential: crew.Controller) -> None:
    handle = sequential.push(add, (1,), name="one", scale=False)
    sequential.push(add, (2,), name="two", scale=False)
    sequential.cancel("one")
    assert handle.cancelled()
    assert sequential.wait(seconds_timeout=SECONDS)
    ended = {r.name: (r.status, r.error) for r in sequential.results()}
    assert ended == {"one": ("cancel", "cancelled before it started"), "two": ("success", None)}


def test_a_task_that_waited_too_long_times_out(sequential: crew.Controller) -> None:
    sequential.push(time.sleep, (0.05,), scale=False, priority=1)
    late = sequential.push(add, (1,), scale=False, seconds_queue=0.01)
    assert sequential.wait(seconds_timeout=SECONDS)
    assert late.status == "timeout"
    assert late.record is not None
    assert late.record.error == "waited longer than seconds_queue=0.01 for a worker"


def test_it_starts_and_ends_as_any_controller(sequential: crew.Controller) -> None:
    sequential.push(add, (1,))
    assert sequential.size == 1
    sequential.terminate()
    assert (sequential.started, sequential.size, sequential.resolved) == (False, 0, 0)
    assert sequential.push(add, (2,)).result() == 2
    assert sequential.started


def test_summaries_have_a_row_for_this_process(sequential: crew.Controller) -> None:
    assert len(sequential.summary()) == 0
    sequential.push(add, (1,))
    sequential.push(fail)
    sequential.push(warn, (1,))
    row = sequential.summary().iloc[0]
    assert (row.worker, row.tasks, row.success, row.error, row.warnings) == (1, 3, 2, 1, 1)
    assert sequential.client.summary().iloc[0].complete == 3
    assert sequential.launcher.summary().iloc[0].online
    assert "dispatcher" not in sequential.client.resources().name.tolist()


def test_map_shows_a_bar_that_moves_with_the_tasks(
    sequential: crew.Controller, capsys: pytest.CaptureFixture[str]
) -> None:
    sequential.map(add, {"a": [1, 2]}, progress=True)
    shown = capsys.readouterr().err
    assert "1/2" in shown
    assert "2/2" in shown
    sequential.map(add, {"a": [1, 2]})
    assert capsys.readouterr().err == ""
