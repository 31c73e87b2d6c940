"""Cancelling and time limits: the task is stopped for certain, its worker and the others go on."""

from __future__ import annotations

import collections
import ctypes
import hashlib
import itertools
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import pytest

import crew_core as crew

LESSON = -1
SECONDS = 60

Open = Callable[..., AbstractContextManager[crew.Controller]]


@pytest.fixture(scope="module")
def one_worker(open_controller: Open) -> Iterator[crew.Controller]:
    with open_controller(workers=1) as controller:
        yield controller


@pytest.fixture(scope="module")
def two_workers(open_controller: Open) -> Iterator[crew.Controller]:
    with open_controller(workers=2) as controller:
        yield controller


@pytest.fixture
def controller(one_worker: crew.Controller) -> Iterator[crew.Controller]:
    """One worker, the same before and after."""
    before = finish(one_worker, one_worker.push(quick)).instance
    yield one_worker
    assert one_worker.wait(seconds_timeout=SECONDS)
    while one_worker.pop() is not None:
        pass
    after = finish(one_worker, one_worker.push(quick))
    assert (after.status, after.instance, after.attempts) == ("success", before, 1)


def finish(controller: crew.Controller, handle: crew.Task[Any]) -> crew.Record:
    """Wait for the only task, and pop it."""
    assert controller.wait(seconds_timeout=SECONDS)
    record = controller.pop()
    assert record is not None
    assert record is handle.record
    assert controller.empty
    return record


def wait_for(path: Path) -> None:
    crew.retry(path.exists, seconds_interval=0.01)


@pytest.fixture
def started(tmp_path: Path) -> Path:
    """A file that a task makes when it has started."""
    return tmp_path / "started"


# ── Tasks that are hard to stop, and that are not ──────────────────────────────────────────────


def quick(value: int = 0) -> int:
    return value


def sleep(started: Path) -> None:
    started.touch()
    time.sleep(600)


def wait_for_lock(started: Path) -> None:
    started.touch()
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def spin(started: Path) -> NoReturn:
    started.touch()
    while True:
        pass


def sleep_in_c(started: Path) -> None:
    started.touch()
    ctypes.CDLL(None).sleep(600)


def tidy_up(started: Path) -> None:
    try:
        sleep(started)
    finally:
        started.with_name("tidied").touch()


def ignore_signal(started: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sleep(started)


def block_signal(started: Path) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    sleep(started)


def go_on(started: Path) -> NoReturn:
    while True:
        try:
            sleep(started)
        except BaseException:  # noqa: BLE001  (as some code does)
            continue


def hold_the_gil(started: Path) -> None:
    # It says so from within the loop: before it, Python would still heed an interrupt.
    collections.deque(itertools.chain(map(os.mkdir, [started]), itertools.repeat(0)), maxlen=0)


def compute_without_the_gil(started: Path) -> None:
    threading.Thread(target=touch_at_the_last_line, args=(started, sys._getframe())).start()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2_000_000_000)


def touch_at_the_last_line(started: Path, frame: FrameType) -> None:
    """Say that a function has started once it is in the call of its last line, and not before.

    It would heed an interrupt there. Who runs this has the GIL, which that call has let go of.
    """
    last = max(line for _, _, line in frame.f_code.co_lines() if line is not None)
    while frame.f_lineno != last:
        time.sleep(0.001)
    started.touch()


GENTLE = [sleep, wait_for_lock, spin, sleep_in_c, tidy_up]
STUBBORN = [ignore_signal, block_signal, go_on, hold_the_gil, compute_without_the_gil]


def is_cancelled(record: crew.Record, *, ran: bool) -> bool:
    assert (record.code, record.result, record.trace, record.exception) == (20, None, None, None)
    assert (record.error, record.cause) == (
        "cancelled" if ran else "cancelled before it started",
        None,
    )
    assert (record.pid is not None) is ran
    with pytest.raises(CancelledError):
        record.value()
    return record.status == "cancel"


# ── Cancelling what runs ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("task", GENTLE)
def test_a_running_task_is_stopped(
    controller: crew.Controller, started: Path, task: Callable[[Path], None]
) -> None:
    before = finish(controller, controller.push(quick))
    handle = controller.push(task, (started,), name="long")
    wait_for(started)

    controller.cancel("long")

    with pytest.raises(CancelledError):
        handle.result(SECONDS)
    assert handle.cancelled()
    record = finish(controller, handle)
    assert is_cancelled(record, ran=True)
    assert (record.instance, record.attempts) == (before.instance, 1)
    assert record.seconds is not None
    assert record.started_at is not None
    after = finish(controller, controller.push(quick))
    assert (after.pid, record.pid) == (before.pid, before.pid)  # the process was not harmed
    assert started.with_name("tidied").exists() is (task is tidy_up)


@pytest.mark.parametrize("task", STUBBORN)
def test_a_stubborn_task_is_killed_with_its_process(
    controller: crew.Controller, started: Path, task: Callable[[Path], None]
) -> None:
    handle = controller.push(task, (started,), name="stubborn")
    wait_for(started)

    controller.cancel("stubborn")

    with pytest.raises(CancelledError):
        handle.result(SECONDS)
    record = finish(controller, handle)
    assert is_cancelled(record, ran=True)
    assert record.attempts == 1
    after = finish(controller, controller.push(quick))
    assert after.instance == record.instance
    assert after.pid != record.pid


def come_back(started: Path) -> str:
    with suppress(KeyboardInterrupt):
        sleep(started)
    return "as if nothing had happened"


def test_a_task_that_returns_when_interrupted_is_cancelled(
    controller: crew.Controller, started: Path
) -> None:
    handle = controller.push(come_back, (started,))
    wait_for(started)
    assert handle.cancel()
    assert is_cancelled(finish(controller, handle), ran=True)


def test_an_import_that_was_broken_off_is_done_again(
    controller: crew.Controller, started: Path, tmp_path: Path
) -> None:
    package = tmp_path / "slow_package"
    package.mkdir()
    (package / "_part.py").write_text("__all__ = ['WORD']\nWORD = 'imported'\n")
    (package / "__init__.py").write_text(
        "from slow_package._part import *\n"
        "import os, time\n"
        f"open({str(started)!r}, 'w').close()\n"
        f"while not os.path.exists({str(tmp_path / 'go')!r}):\n"
        "    time.sleep(0.01)\n"
        "__all__ = _part.__all__\n"
    )
    text = (
        f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport slow_package\nslow_package.WORD"
    )
    handle = controller.push(text)
    wait_for(started)
    assert handle.cancel()
    assert is_cancelled(finish(controller, handle), ran=True)
    (tmp_path / "go").touch()
    assert finish(controller, controller.push(text)).result == "imported"


def test_the_other_tasks_are_not_touched(two_workers: crew.Controller, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a", "b")]
    handles = [two_workers.push(until, (path,), name=path.name) for path in paths]
    for path in paths:
        wait_for(path.with_suffix(".started"))

    two_workers.cancel(["a", "nobody"])

    with pytest.raises(CancelledError):
        handles[0].result(SECONDS)
    assert not handles[1].done()
    paths[1].touch()
    assert handles[1].result(SECONDS) == "b"
    assert two_workers.wait(seconds_timeout=SECONDS)
    first, second = two_workers.pop(), two_workers.pop()
    assert first is not None
    assert second is not None
    assert (first.name, first.status, second.name, second.status) == (
        "a",
        "cancel",
        "b",
        "success",
    )


def until(path: Path) -> str:
    """Runs until this file is there."""
    path.with_suffix(".started").touch()
    deadline = time.monotonic() + SECONDS
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    return path.name


# ── Cancelling what waits, all of it, or nothing ───────────────────────────────────────────────


def test_waiting_tasks_are_removed(controller: crew.Controller, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    running = controller.push(until, (gate,), name="running")
    waiting = [controller.push(quick, (i,), name=f"waiting {i}") for i in range(4)]
    wait_for(gate.with_suffix(".started"))

    controller.cancel(["waiting 0", "waiting 2"])

    for i in (0, 2):
        with pytest.raises(CancelledError):
            waiting[i].result(SECONDS)
        record = waiting[i].record
        assert record is not None
        assert is_cancelled(record, ran=False)
        assert (record.seconds, record.started_at) == (None, None)
    assert not running.done()
    gate.touch()
    assert [waiting[i].result(SECONDS) for i in (1, 3)] == [1, 3]
    assert running.result(SECONDS) == "gate"
    assert controller.wait(seconds_timeout=SECONDS)
    table = controller.collect()
    assert table is not None
    names = list(table["name"])
    assert sorted(names[:2]) == ["waiting 0", "waiting 2"]  # one of them may be with the worker
    assert names[2:] == ["running", "waiting 1", "waiting 3"]


def test_all_are_cancelled(controller: crew.Controller, started: Path) -> None:
    handles: list[crew.Task[Any]]
    handles = [controller.push(sleep, (started,)), *(controller.push(quick) for _ in range(5))]
    handles.append(controller.submit(quick))
    wait_for(started)

    controller.cancel(all=True)

    for handle in handles:
        with pytest.raises(CancelledError):
            handle.result(SECONDS)
    table = controller.collect()
    assert table is not None
    assert list(table["status"]) == ["cancel"] * 6
    assert set(table["code"]) == {20}


def test_a_handle_cancels_its_task(controller: crew.Controller, started: Path) -> None:
    running = controller.push(sleep, (started,))
    waiting = controller.submit(quick)
    wait_for(started)
    assert waiting.cancel()
    with pytest.raises(CancelledError):
        waiting.exception(SECONDS)
    assert running.cancel()
    with pytest.raises(CancelledError):
        running.exception(SECONDS)
    assert not running.cancel()  # it is over


def test_what_is_over_cannot_be_cancelled(controller: crew.Controller) -> None:
    handle = controller.push(quick, (7,), name="over")
    assert handle.result(SECONDS) == 7
    assert not handle.cancel()
    controller.cancel("over")
    controller.cancel(["nobody"])
    controller.cancel(all=True)
    record = finish(controller, handle)
    assert (record.status, record.result) == ("success", 7)


def test_a_name_can_be_used_again(controller: crew.Controller, started: Path) -> None:
    handle = controller.push(sleep, (started,), name="again")
    wait_for(started)
    controller.cancel("again")
    assert is_cancelled(finish(controller, handle), ran=True)
    again = controller.push(quick, (1,), name="again")
    assert finish(controller, again).result == 1


# ── Tasks that were sent ahead to a busy worker ────────────────────────────────────────────────


def step(i: int, diary: Path, gate: Path | None) -> int:
    """Writes down that it ran; with a gate, waits for it."""
    with diary.open("a") as file:
        file.write(f"{i}\n")
    if gate is not None:
        until(gate)
    return i


def stubborn_step(i: int, diary: Path, gate: Path | None) -> int:
    if gate is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return step(i, diary, gate)


def send_ahead(
    controller: crew.Controller, task: Callable[..., Any], gate: Path, **options: Any
) -> list[crew.Task[Any]]:
    """Start a task that waits for the gate, with others behind it at the same worker."""
    teach(controller, task, options["data"])
    tasks = list(controller.walk(task, **options).values())
    wait_for(gate.with_suffix(".started"))
    crew.retry(lambda: held_by_worker(controller) == len(tasks), seconds_interval=0.01)
    return tasks


def teach(controller: crew.Controller, task: Callable[..., Any], data: dict[str, Any]) -> None:
    """Let the dispatcher learn that such tasks are quick, however busy the machine is."""
    # So many that what it learned from one that waited for its gate counts no more.
    iterate: dict[str, list[Any]] = {"i": [LESSON] * 48, "gate": [None] * 48}
    slowest = 1.0
    while slowest > 0.01:  # of twice that it hands out ten at once
        lessons = [*controller.walk(task, iterate=iterate, data=data).values()]
        slowest = max(seconds(lesson) for lesson in lessons[-16:])


def seconds(lesson: crew.Task[Any]) -> float:
    lesson.result(SECONDS)
    assert lesson.record is not None
    return lesson.record.seconds or 0.0


def held_by_worker(controller: crew.Controller) -> int:
    row = controller.client.summary().iloc[-1]
    return int(row["assigned"] - row["complete"])


def steps(tmp_path: Path, count: int) -> tuple[Path, Path, dict[str, Any]]:
    gate, diary = tmp_path / "gate", tmp_path / "diary"
    iterate = {"i": list(range(count)), "gate": [gate, *[None] * (count - 1)]}
    return gate, diary, {"iterate": iterate, "data": {"diary": diary}}


def entries(diary: Path) -> list[int]:
    """What the tasks wrote, without those that taught the dispatcher."""
    return [i for i in map(int, diary.read_text().split()) if i != LESSON]


def test_the_rest_of_those_sent_ahead_keeps_its_order(
    controller: crew.Controller, tmp_path: Path
) -> None:
    gate, diary, options = steps(tmp_path, 8)
    tasks = send_ahead(controller, step, gate, **options)

    controller.cancel([tasks[i].name for i in (1, 4, 7)])

    for i in (1, 4, 7):
        with pytest.raises(CancelledError):
            tasks[i].result(SECONDS)
        record = tasks[i].record
        assert record is not None
        assert is_cancelled(record, ran=False)
    assert not tasks[0].done()
    gate.touch()
    left = [0, 2, 3, 5, 6]
    assert [tasks[i].result(SECONDS) for i in left] == left
    assert entries(diary) == left


def test_those_sent_ahead_behind_a_task_that_is_killed_still_run(
    controller: crew.Controller, tmp_path: Path
) -> None:
    gate, diary, options = steps(tmp_path, 8)
    tasks = send_ahead(controller, stubborn_step, gate, **options)

    assert tasks[0].cancel()

    with pytest.raises(CancelledError):
        tasks[0].result(SECONDS)
    assert [task.result(SECONDS) for task in tasks[1:]] == list(range(1, 8))
    assert entries(diary) == list(range(8))
    assert {task.record.attempts for task in tasks if task.record is not None} == {1}


# ── Time limits ────────────────────────────────────────────────────────────────────────────────


def is_timeout(record: crew.Record, option: str) -> bool:
    assert (record.code, record.result, record.trace, record.exception) == (5, None, None, None)
    assert record.cause is None
    assert option in str(record.error)
    with pytest.raises(crew.TaskTimeoutError, match=option) as raised:
        record.value()
    assert isinstance(raised.value, TimeoutError)
    assert isinstance(raised.value, crew.TaskError)
    assert raised.value.record is record
    return record.status == "timeout"


@pytest.mark.parametrize("task", [sleep, ignore_signal, hold_the_gil, come_back])
def test_a_task_that_runs_too_long_is_stopped(
    controller: crew.Controller, started: Path, task: Callable[[Path], None]
) -> None:
    # Long enough for the task to have started in earnest.
    handle = controller.push(task, (started,), seconds_timeout=2.5)
    with pytest.raises(crew.TaskTimeoutError, match=r"seconds_timeout=2\.5"):
        handle.result(SECONDS)
    assert not handle.cancelled()
    record = finish(controller, handle)
    assert is_timeout(record, "seconds_timeout=2.5")
    assert record.attempts == 1
    assert record.pid is not None
    assert started.exists()
    after = finish(controller, controller.push(quick))
    assert after.instance == record.instance
    assert (after.pid == record.pid) is (task in (sleep, come_back))


def test_a_limit_may_be_far_away(controller: crew.Controller) -> None:
    handles = [controller.push(quick, (i,), seconds_timeout=600) for i in range(20)]
    assert [handle.result(SECONDS) for handle in handles] == list(range(20))


def test_a_limit_can_be_had_for_each_of_many(two_workers: crew.Controller) -> None:
    table = two_workers.map(
        nap,
        iterate={"seconds": [0, 600, 0, 600, 0]},
        seconds_timeout=4,  # the others are to be done within it, however busy the machine is
        error="silent",
    )
    assert list(table["status"]) == ["success", "timeout", "success", "timeout", "success"]
    assert list(table["code"]) == [0, 5, 0, 5, 0]


def nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_waiting_does_not_count_as_running(controller: crew.Controller, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    running = controller.push(until, (gate,))
    limited = controller.push(quick, (3,), seconds_timeout=3)
    wait_for(gate.with_suffix(".started"))
    clock = controller.push(quick, seconds_queue=3.1)  # ends when the limit above has passed
    with pytest.raises(crew.TaskTimeoutError):
        clock.result(SECONDS)
    gate.touch()
    assert limited.result(SECONDS) == 3
    assert running.result(SECONDS) == "gate"


def test_a_task_that_waits_too_long_is_removed(controller: crew.Controller, tmp_path: Path) -> None:
    gate, diary = tmp_path / "gate", tmp_path / "diary"
    running = controller.push(until, (gate,))
    wait_for(gate.with_suffix(".started"))
    impatient = controller.push(step, (1, diary, None), seconds_queue=0.2)
    patient = controller.push(step, (2, diary, None), seconds_queue=600)
    with pytest.raises(crew.TaskTimeoutError, match=r"seconds_queue=0\.2"):
        impatient.result(SECONDS)
    record = impatient.record
    assert record is not None
    assert is_timeout(record, "seconds_queue=0.2")
    assert (record.pid, record.instance, record.seconds, record.attempts) == (None, None, None, 0)
    assert not running.done()
    gate.touch()
    assert patient.result(SECONDS) == 2
    assert diary.read_text() == "2\n"


def test_a_task_that_waits_too_long_behind_its_like_is_removed(
    controller: crew.Controller, tmp_path: Path
) -> None:
    """It was sent ahead, and has not started all the same."""
    gate, diary, options = steps(tmp_path, 4)
    # Long enough to see that they are there, and for the first to start.
    running, *impatient = send_ahead(controller, step, gate, **options, seconds_queue=5)
    for handle in impatient:
        with pytest.raises(crew.TaskTimeoutError, match="seconds_queue"):
            handle.result(SECONDS / 2)
    assert not running.done()
    gate.touch()
    assert running.result(SECONDS) == 0
    assert entries(diary) == [0]


def test_the_longest_wait_does_not_end_what_runs(
    controller: crew.Controller, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    running = controller.push(until, (gate,), seconds_queue=3)
    wait_for(gate.with_suffix(".started"))
    clock = controller.push(quick, seconds_queue=3.1)  # ends when the wait above is over
    with pytest.raises(crew.TaskTimeoutError):
        clock.result(SECONDS)
    gate.touch()
    assert running.result(SECONDS) == "gate"


# ── Many at random ─────────────────────────────────────────────────────────────────────────────


def write_down(name: str, folder: str, seconds: float) -> str:
    with open(os.path.join(folder, name), "a") as file:
        file.write("x")
    if seconds:
        time.sleep(seconds)
    return name


@pytest.mark.parametrize("seed", range(4))
def test_cancelling_neither_loses_nor_doubles_others(
    two_workers: crew.Controller, tmp_path: Path, seed: int
) -> None:
    random_choice = random.Random(seed)
    for turn in range(25):
        names = [f"{turn}-{i}" for i in range(random_choice.randrange(1, 60))]
        handles = {
            name: two_workers.push(
                write_down,
                (name, str(tmp_path), random_choice.choice([0, 0, 0.0005, 0.002])),
                name=name,
            )
            for name in names
        }
        doomed = set(random_choice.sample(names, random_choice.randrange(len(names) + 1)))
        if random_choice.random() < 0.5:  # some have run by then
            handles[random_choice.choice(names)].exception(SECONDS)
        if random_choice.random() < 0.5:
            two_workers.cancel(list(doomed))
        else:
            for name in doomed:
                handles[name].cancel()
        assert two_workers.wait(seconds_timeout=SECONDS)
        popped: list[str] = []
        while (record := two_workers.pop()) is not None:
            popped.append(record.name)
            runs = path.stat().st_size if (path := tmp_path / record.name).exists() else 0
            if record.status == "success":
                assert (record.result, runs) == (record.name, 1)
            else:
                assert record.status == "cancel"
                assert record.name in doomed
                assert runs <= 1
        assert sorted(popped) == sorted(names)
    assert two_workers.empty
    assert two_workers.unresolved == 0
