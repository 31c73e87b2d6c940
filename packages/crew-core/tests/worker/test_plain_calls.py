"""A task is none the wiser for being one of many with the same function."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from crew_core._model.states import Status
from crew_core._model.streams import Stream, python_seed
from crew_core._wire import pickling
from crew_core._wire.codec import encode
from crew_core._wire.messages import (
    WARM_UP_IDS,
    Command,
    ForgetBlobs,
    OutcomeDetail,
    decode_detail,
)
from crew_core._worker.commands import Commands
from crew_core._worker.objects import Objects

TIMES = 4  # the first two are not yet known to be plain calls
count = 0


def nothing() -> None:
    return None


def number() -> int:
    return 7


def array() -> Any:
    return np.arange(100_000)


async def later() -> str:
    return "later"


def warn() -> str:
    warnings.warn("look out", stacklevel=1)
    return "warned"


def fail() -> None:
    raise ValueError("on purpose")


def leave() -> None:
    sys.exit(3)


def cannot_be_pickled() -> Any:
    return threading.Lock()


def change_globals() -> int:
    global count  # noqa: PLW0603
    count += 1
    globals()[f"added_{count}"] = count
    return len([name for name in globals() if name.startswith("added_")])


def fork() -> int:
    child = os.fork()
    if child == 0:
        return -1
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def draw() -> float:
    return random.random()


def redirect(path: str) -> str:
    print("heard")  # noqa: T201
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    print("to the file")  # noqa: T201
    sys.stdout.close()
    del sys.stderr
    return "redirected"


def close_descriptors() -> None:
    print("heard", flush=True)  # noqa: T201
    os.close(1)
    os.close(2)


def wait_for_ever() -> None:
    print("waiting", flush=True)  # noqa: T201
    while True:
        time.sleep(60)


def told(detail: OutcomeDetail) -> tuple[object, ...]:
    """What must be the same each time."""
    return detail.value, detail.error, detail.trace, detail.warnings, detail.pid, detail.beside


@pytest.mark.parametrize(
    "function",
    [nothing, number, array, later, warn, fail, leave, cannot_be_pickled, change_globals, fork],
)
def test_each_outcome_is_as_the_first(process: Any, function: Callable[..., Any]) -> None:
    details = [process.run(function) for _ in range(TIMES)]
    assert {told(detail) for detail in details} == {told(details[0])}
    exceptions = [detail.exception and str(pickling.load(detail.exception)) for detail in details]
    assert set(exceptions) == {exceptions[0]}
    starts = [detail.started_at for detail in details]
    assert starts == sorted(starts)
    assert min(detail.rss_peak for detail in details) > 1_000_000


def test_tasks_that_were_sent_together_are_told_of_in_order(process: Any) -> None:
    ids = [process.send(number) for _ in range(50)]
    done = [process.next() for _ in ids]
    assert [one.id for one in done] == ids
    assert {one.status for one in done} == {Status.SUCCESS}
    assert not any(one.interrupted for one in done)
    assert all(one.seconds >= 0 for one in done)
    values = [decode_detail(one.detail).value for one in done]
    assert values == [pickling.dump(7, "seven")] * len(ids)


def test_each_has_its_own_random_numbers(process: Any) -> None:
    process.value("import random")
    for number in range(TIMES):
        assert (
            process.value(draw, task_id=100 + number)
            == random.Random(python_seed(Stream(42, 100 + number))).random()
        )
    assert process.value(draw, seed=5) == random.Random(5).random()


def test_each_has_its_output_and_its_descriptors(process: Any, tmp_path: Any) -> None:
    for number in range(TIMES):
        process.value(redirect, str(tmp_path / str(number)))
        process.value(redirect, str(tmp_path / str(number)))
        for _ in range(TIMES):
            process.value(close_descriptors)
    process.leave()
    assert process.output() == "heard\n" * TIMES * (TIMES + 2)
    assert (tmp_path / "0").read_text() == "to the file\n"


def test_one_that_is_interrupted_ends_and_those_behind_it_run(process: Any) -> None:
    for _ in range(TIMES):
        process.send(wait_for_ever)
        while process.line() != "waiting":
            pass  # the traceback of the one before
        process.interrupt()
        done = process.next()
        assert done.interrupted
        assert done.status == Status.ERROR
        error = decode_detail(done.detail).error
        assert error == "TaskInterrupt: the task was interrupted"
    assert process.value(number) == 7


def test_a_command_that_was_forgotten_is_not_kept(process: Any) -> None:
    for _ in range(TIMES):
        process.value(number)
    (digest,) = process._held
    process.feed.put(ForgetBlobs([digest]))
    error = process.run(number).error
    assert error is not None
    assert error.startswith("KeyError")


def test_what_was_made_of_a_command_goes_with_it() -> None:
    commands = Commands(Objects())
    commands.hold(b"digest", encode(Command(pickling.dump_command(number))))
    assert commands.get(b"digest") is commands.loaded(b"digest")
    made: Any = object()
    commands.calls = made
    commands.forget([b"digest"])
    assert commands.calls is None
    assert commands.loaded(b"digest") is None


def test_another_command_in_between_changes_nothing(process: Any) -> None:
    for _ in range(TIMES):
        assert process.value(number) == 7
        assert process.value("1 + 1") == 2
        assert process.value(number) == 7
        assert process.value(number) == 7
        assert process.value(nothing) is None


def test_a_warm_up_with_the_same_function_is_one(process: Any) -> None:
    for _ in range(TIMES):
        assert process.value(change_globals) == 1
    assert process.value(change_globals, task_id=WARM_UP_IDS) == 1
    for _ in range(TIMES):
        assert process.value(change_globals) == 2
