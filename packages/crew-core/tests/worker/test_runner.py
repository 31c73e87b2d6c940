"""The supervisor's account of what its task process runs, with a real task process."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import crew_core as crew
from crew_core._model.states import Status
from crew_core._wire import codec, messages, pickling
from crew_core._worker.process import TaskProcess
from crew_core._worker.runner import Runner
from crew_core._worker.spawn import spawn

SECONDS = 30.0


def start() -> TaskProcess:
    process = TaskProcess(spawn(os.environ, to_own_log=False))
    settings = messages.WorkerSettings("test", "42")
    process.feed.put(messages.TaskProcessSettings(settings, "instance"))
    process.feed.flush()
    return process


@pytest.fixture
def runner() -> Iterator[Runner]:
    runner = Runner(start, print)
    yield runner
    runner.process.let_go(0)
    runner.process.close()


def work(*arguments: tuple[Path | None]) -> messages.Work:
    """One task for each of these arguments."""
    command = codec.encode(messages.Command(function=pickling.dump_command(run)))
    bodies = [
        codec.encode(messages.TaskBody(pickling.dump_arguments(args, {}))) for args in arguments
    ]
    batch = messages.Batch(0, [f"task {i}" for i in range(len(bodies))], b"run", bodies)
    return messages.Work([batch], [messages.Blob(b"run", command)])


def run(started: Path | None) -> None:
    if started is not None:
        started.touch()
        time.sleep(600)


def outcomes(runner: Runner, count: int) -> dict[int, int]:
    """What became of so many tasks: their statuses."""
    found: dict[int, int] = {}
    while len(found) < count:
        assert select.select([runner.process.outbox_fd], [], [], SECONDS)[0], "nothing is said"
        runner.on_output(time.monotonic())
        found.update((outcome.id, outcome.status) for outcome in runner.take_outcomes())
    return found


def test_a_task_is_stopped_that_started_since_its_process_was_heard_last(
    runner: Runner, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    runner.add(work((None,), (started,), (None,)), time.monotonic())
    crew.retry(started.exists, seconds_interval=0.01)

    runner.cancel([1], time.monotonic())

    assert outcomes(runner, 3) == {0: Status.SUCCESS, 1: Status.CANCEL, 2: Status.SUCCESS}
    assert runner.idle


def test_to_give_back_none_of_the_tasks_changes_nothing(runner: Runner) -> None:
    runner.add(work((None,), (None,), (None,)), time.monotonic())
    assert runner.give_back([]) == []
    assert outcomes(runner, 3) == dict.fromkeys(range(3), Status.SUCCESS)
