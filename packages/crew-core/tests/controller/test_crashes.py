"""A task whose worker goes away is tried again, so often and no more; then its record says so."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
from crew_core._controller.book import TaskBook
from crew_core._model.states import Status
from crew_core._wire import codec, messages

Make = Callable[..., crew.Controller]

SECONDS = 90


def leave(code: int = 3) -> None:
    os._exit(code)


def die_by(number: int) -> None:
    os.kill(os.getpid(), number)


def kill_the_worker() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    signal.pause()


def crash_at_first(folder: Path, times: int, then: Callable[[], Any] | None = None) -> Any:
    """Crashes so many times, and then returns."""
    attempt = len(list(folder.glob("attempt-*")))
    (folder / f"attempt-{attempt}").touch()
    if attempt < times:
        os._exit(1)
    return "survived" if then is None else then()


def fail() -> None:
    raise ValueError("broken")


@pytest.fixture(scope="module")
def strict(state_home: Path) -> Iterator[crew.Controller]:
    """A controller that tries a crashed task once more and then gives up."""
    with crew.controller("local", workers=2, crashes_max=2) as controller:
        yield controller


# ── Trying again ───────────────────────────────────────────────────────────────────────────────


def test_a_task_that_crashes_twice_and_then_succeeds_is_a_success(
    controller: crew.Controller, tmp_path: Path
) -> None:
    handle = controller.push(crash_at_first, (tmp_path, 2), name="phoenix")
    assert handle.result(SECONDS) == "survived"
    record = controller.pop()
    assert record is not None
    assert (record.status, record.attempts, record.cause) == ("success", 3, None)
    assert controller.crashes("phoenix") == 0


def test_five_crashes_in_a_row_are_final(controller: crew.Controller) -> None:
    handle = controller.push(leave, name="hopeless")
    with pytest.raises(crew.WorkerCrashError, match="'hopeless'"):
        handle.result(SECONDS)
    assert controller.crashes("hopeless") == 5
    assert controller.wait(seconds_timeout=SECONDS)
    record = controller.pop()
    assert record is not None
    assert (record.status, record.code, record.attempts) == ("crash", 19, 5)
    assert (record.result, record.exception, record.seconds) == (None, None, None)
    assert record.error is not None
    assert "crash 5 in a row" in record.error


def test_crashes_max_is_how_many_are_final(strict: crew.Controller) -> None:
    handle = strict.push(leave, name="short of luck")
    assert isinstance(handle.exception(SECONDS), crew.WorkerCrashError)
    assert handle.record is not None
    assert handle.record.attempts == 2
    assert strict.crashes("short of luck") == 2


@pytest.mark.parametrize(
    ("options", "said"), [({"crashes_max": 0}, "no retry"), ({"retry_tasks": False}, "retry_tasks")]
)
def test_the_first_crash_is_final_when_nothing_is_tried_again(
    make: Make, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    controller = make(workers=1, **options)
    assert controller.push("1", name="it").result(SECONDS) == 1
    controller.pop()
    assert controller.crashes("it") == 0
    handle = controller.push(crash_at_first, (tmp_path, 1), name="it")
    with pytest.raises(crew.WorkerCrashError, match=said):
        handle.result(SECONDS)
    assert handle.record is not None
    assert (handle.record.status, handle.record.attempts) == ("crash", 1)
    assert controller.crashes("it") == 1


def test_the_tasks_beside_a_crash_run_once_each(strict: crew.Controller, tmp_path: Path) -> None:
    def mark(folder: Path, name: str) -> str:
        with (folder / name).open("a") as file:
            file.write("ran\n")
        return name

    names = [f"task {i}" for i in range(40)]
    handles = [strict.push(mark, (tmp_path, name)) for name in names[:20]]
    crashing = strict.push(leave)
    handles += [strict.push(mark, (tmp_path, name)) for name in names[20:]]
    assert [handle.result(SECONDS) for handle in handles] == names
    assert isinstance(crashing.exception(SECONDS), crew.WorkerCrashError)
    assert [(tmp_path / name).read_text() for name in names] == ["ran\n"] * 40


def test_a_crash_never_raises_out_of_pop_or_collect_unless_asked(strict: crew.Controller) -> None:
    strict.collect()
    for _ in range(2):
        strict.push(leave).exception(SECONDS)
        strict.push("1").result(SECONDS)
    record = strict.pop()
    table = strict.collect()
    assert record is not None
    assert table is not None
    assert sorted([record.status, *table["status"]]) == ["crash", "crash", "success", "success"]
    assert strict.empty
    strict.push(leave).exception(SECONDS)
    with pytest.raises(crew.TaskError, match="crash"):
        strict.pop(error="stop")


def test_a_crash_in_map_is_a_row_like_any_other(strict: crew.Controller) -> None:
    strict.collect()
    text = "import os\nos._exit(1) if x == 2 else x"
    table = strict.map(text, {"x": [1, 2, 3]}, error="silent")
    assert list(table["status"]) == ["success", "crash", "success"]
    assert list(table["code"]) == [0, 19, 0]
    with pytest.raises(crew.TaskError, match="crash"):
        strict.map(text, {"x": [1, 2, 3]})
    assert strict.error is not None
    assert list(strict.error["result"]) == [1, None, 3]
    assert strict.empty


def test_a_submitted_task_crashes_likewise(strict: crew.Controller) -> None:
    assert isinstance(strict.submit(leave).exception(SECONDS), crew.WorkerCrashError)
    assert strict.empty


# ── Counting ───────────────────────────────────────────────────────────────────────────────────


def test_crashes_are_counted_while_the_task_is_being_tried(
    controller: crew.Controller, tmp_path: Path, gate: Any
) -> None:
    handle = controller.push(crash_at_first, (tmp_path, 2, gate.hold), name="live")
    assert controller.crashes("other") == 0
    gate.wait_for(1)
    crew.retry(lambda: controller.crashes("live") == 2, seconds_interval=0.01)
    assert not handle.done()
    gate.open()
    handle.result(SECONDS)
    assert controller.crashes("live") == 0


def test_counting_goes_on_when_the_name_is_pushed_again_until_it_succeeds(
    strict: crew.Controller,
) -> None:
    strict.collect()
    for crashes, attempts in [(2, 2), (3, 1), (4, 1)]:
        strict.push(leave, name="again").exception(SECONDS)
        record = strict.pop()
        assert record is not None
        assert (record.status, record.attempts) == ("crash", attempts)
        assert strict.crashes("again") == crashes

    strict.push(fail, name="again").exception(SECONDS)
    strict.pop()
    assert strict.crashes("again") == 4  # an error is no success

    strict.push("1", name="again").result(SECONDS)
    strict.pop()
    assert strict.crashes("again") == 0
    strict.push(leave, name="again").exception(SECONDS)
    record = strict.pop()
    assert record is not None
    assert record.attempts == 2


@pytest.mark.parametrize(("cause", "crashes"), [("signal 9", 1), ("preempted", 0)])
def test_only_deaths_that_may_be_the_tasks_fault_are_counted(
    strict: crew.Controller, cause: str, crashes: int
) -> None:
    book = TaskBook(strict._running().records, lambda _: None, lambda: None)
    task = book.open_one("it", b"digest", single=False)
    detail = codec.encode(messages.OutcomeDetail(error="lost", cause=cause))
    book.settle(messages.Finished("a", [task.id], [Status.CRASH], [None], [20], [detail]))
    assert task.status == "crash"
    assert book.crashes("it") == crashes


def test_terminate_forgets_crashes(make: Make) -> None:
    controller = make(workers=1, crashes_max=1)
    controller.push(leave, name="it").exception(SECONDS)
    assert controller.crashes("it") == 1
    controller.terminate()
    assert controller.crashes("it") == 0


# ── Causes ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("command", "argument", "cause"),
    [
        (leave, 3, "exit 3"),
        (leave, 0, "exit 0"),
        (die_by, signal.SIGKILL, "signal 9"),
        (die_by, signal.SIGSEGV, "signal 11"),
    ],
)
def test_the_cause_says_how_the_process_died(
    strict: crew.Controller, command: Callable[..., Any], argument: int, cause: str
) -> None:
    handle = strict.push(command, (int(argument),))
    assert isinstance(handle.exception(SECONDS), crew.WorkerCrashError)
    record = handle.record
    assert record is not None
    assert record.cause == cause
    assert record.error is not None
    assert f"({cause})" in record.error
    assert "controller.logs" in record.error
    assert cause in strict.logs(handle)


def test_a_dead_task_process_costs_no_worker(strict: crew.Controller) -> None:
    handle = strict.push(leave)
    handle.exception(SECONDS)
    assert handle.record is not None
    rows = strict.launcher.summary().set_index("instance")
    assert rows.loc[str(handle.record.instance), "online"]


def test_a_worker_that_is_killed_is_replaced_and_its_task_tried_again(make: Make) -> None:
    controller = make(workers=1, crashes_max=2)
    handle = controller.push(kill_the_worker)
    assert isinstance(handle.exception(SECONDS), crew.WorkerCrashError)
    assert handle.record is not None
    assert (handle.record.cause, handle.record.attempts) == ("crash", 2)
    assert controller.push(os.getpid).result(SECONDS) > 0
    summary = controller.launcher.summary()
    assert list(summary["worker"]) == [1]
    assert list(summary["launches"]) == [3]


def test_leaving_with_sys_exit_is_an_error_and_no_crash(strict: crew.Controller) -> None:
    handle = strict.push("import sys\nsys.exit(3)", name="polite")
    assert isinstance(handle.exception(SECONDS), crew.TaskError)
    assert handle.record is not None
    assert (handle.record.status, handle.record.cause) == ("error", None)
    assert strict.crashes("polite") == 0
