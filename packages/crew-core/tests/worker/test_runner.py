"""The supervisor's account of what its task process runs, with a real task process."""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import crew_core as crew
from crew_core._model.states import Status
from crew_core._wire import codec, messages, pickling
from crew_core._worker.out_of_memory import OutOfMemory
from crew_core._worker.process import TaskProcess
from crew_core._worker.runner import Runner
from crew_core._worker.spawn import spawn

SECONDS = 60.0


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


def work(*arguments: tuple[Path | None], seconds_timeout: float | None = None) -> messages.Work:
    """One task for each of these arguments."""
    command = codec.encode(messages.Command(function=pickling.dump_command(run)))
    bodies = [
        codec.encode(messages.TaskBody(pickling.dump_arguments(args, {}))) for args in arguments
    ]
    batch = messages.Batch(0, [f"task {i}" for i in range(len(bodies))], b"run", bodies)
    batch = msgspec.structs.replace(batch, seconds_timeout=seconds_timeout)
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


def test_a_task_process_leads_a_group_in_the_session_of_its_worker(runner: Runner) -> None:
    """Platforms that know by the session what belongs to a job find it, and we can end it alone."""
    pid = runner.process.pid
    assert os.getsid(pid) == os.getsid(0)
    assert os.getpgid(pid) == pid


def test_a_task_is_stopped_that_started_since_its_process_was_heard_last(
    runner: Runner, tmp_path: Path
) -> None:
    started = tmp_path / "started"
    runner.add(work((None,), (started,), (None,)), time.monotonic())
    crew.retry(started.exists, seconds_interval=0.01)

    runner.cancel([1], time.monotonic())

    assert outcomes(runner, 3) == {0: Status.SUCCESS, 1: Status.CANCEL, 2: Status.SUCCESS}
    assert runner.idle


def test_the_time_of_a_task_begins_when_its_process_comes_to_it(
    runner: Runner, tmp_path: Path
) -> None:
    runner.add(work((None,)), 0.0)
    assert outcomes(runner, 1) == {0: Status.SUCCESS}  # it is ready
    os.kill(runner.process.pid, signal.SIGSTOP)
    os.waitpid(runner.process.pid, os.WUNTRACED)
    started = tmp_path / "started"

    runner.add(work((started,), seconds_timeout=7.0), 0.0)
    runner.on_time(runner.next_time())
    assert runner.next_time() < 1.0, "it looks again soon"
    runner.on_time(100.0)
    os.kill(runner.process.pid, signal.SIGCONT)
    crew.retry(started.exists, seconds_interval=0.01)
    runner.on_time(runner.next_time())
    assert runner.next_time() == 107.0
    runner.on_time(107.0)

    assert outcomes(runner, 1) == {0: Status.TIMEOUT}


def test_to_give_back_none_of_the_tasks_changes_nothing(runner: Runner) -> None:
    runner.add(work((None,), (None,), (None,)), time.monotonic())
    assert runner.give_back([]) == []
    assert outcomes(runner, 3) == dict.fromkeys(range(3), Status.SUCCESS)


def die(runner: Runner) -> messages.OutcomeDetail:
    """Have the task process killed from outside, and see what is said of the task it ran."""
    os.kill(runner.process.pid, signal.SIGKILL)
    _, status = os.waitpid(runner.process.pid, 0)
    runner.on_exit(status, time.monotonic())
    (outcome,) = runner.take_outcomes()
    assert outcome.status == Status.CRASH
    return messages.decode_detail(outcome.detail)


@pytest.mark.parametrize(("ended", "cause"), [(1, "out_of_memory"), (0, "signal 9")])
def test_a_kill_by_the_system_for_want_of_memory_is_told_from_others(
    tmp_path: Path, ended: int, cause: str
) -> None:
    (tmp_path / "own").write_text("0::/\n")
    counter = tmp_path / "memory.events"
    counter.write_text("oom_kill 0\n")
    memory = OutOfMemory(str(tmp_path), str(tmp_path / "own"))
    runner = Runner(start, print, memory)
    try:
        started = tmp_path / "started"
        runner.add(work((started,)), time.monotonic())
        crew.retry(started.exists, seconds_interval=0.01)
        counter.write_text(f"oom_kill {ended}\n")
        assert die(runner).cause == cause
    finally:
        runner.process.let_go(0)
        runner.process.close()


def test_who_cannot_start_another_process_gives_its_tasks_back(tmp_path: Path) -> None:
    processes = [start()]

    def start_once() -> TaskProcess:
        if not processes:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return processes.pop()

    runner = Runner(start_once, print)
    started = tmp_path / "started"
    runner.add(work((started,), (None,)), time.monotonic())
    crew.retry(started.exists, seconds_interval=0.01)
    assert die(runner).cause == "signal 9"
    assert runner.broken is not None
    assert "open files" in runner.broken
    assert runner.give_back() == [1]
    assert runner.idle
