"""Our processes are told from others' by their command lines, and end when told, frozen or not."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable

import pytest

from crew_core._launcher.local_monitor import COLUMNS, LocalMonitor
from crew_core._launcher.monitor import JOB_COLUMNS
from crew_core._launcher.processes import (
    OurProcess,
    end,
    find,
    find_tasks,
    sweep,
    terminate_process,
)
from crew_core._model.errors import ConfigError
from crew_core._model.names import random_name

Spawn = Callable[..., "subprocess.Popen[bytes]"]

SECONDS = 60.0
"""For whoever ends when it is asked to, at most."""

# An address elsewhere: clean() of a test that runs at the same time leaves such a worker alone.
ELSEWHERE = "tls+tcp://10.0.0.1:5000"


def as_worker(instance: str, url: str = ELSEWHERE) -> tuple[str, ...]:
    controller = ("--controller", "c1", "--instance", instance)
    return ("-m", "crew_core._worker", *controller, "--url", url)


def as_dispatcher(directory: str) -> tuple[str, ...]:
    client = ("--client-pid", str(os.getpid()))
    return ("-m", "crew_core._dispatcher", "--directory", directory, "--controller", "c1", *client)


def by_pid(found: list[OurProcess]) -> dict[int, OurProcess]:
    return {process.pid: process for process in found}


def test_worker_is_found_with_what_its_command_line_says(spawn: Spawn) -> None:
    process = spawn(*as_worker("i1"))
    ours = by_pid(find("worker"))[process.pid]
    assert (ours.kind, ours.controller, ours.instance) == ("worker", "c1", "i1")
    assert ours.directory is None
    assert ours.rss > 0
    assert process.pid not in by_pid(find("dispatcher"))


def test_dispatcher_is_found_with_its_directory_and_client(spawn: Spawn) -> None:
    process = spawn(*as_dispatcher("/tmp/d1"))
    ours = by_pid(find("dispatcher"))[process.pid]
    assert (ours.directory, ours.client_pid, ours.instance) == ("/tmp/d1", os.getpid(), None)


@pytest.mark.parametrize(
    "argv",
    [
        ("crew_core._worker",),
        ("-m", "crew_core._worker.task_process"),
        ("-m", "pytest", "-k", "crew_core._worker"),
    ],
)
def test_mention_of_a_worker_is_not_a_worker(spawn: Spawn, argv: tuple[str, ...]) -> None:
    process = spawn(*argv)
    assert process.pid not in by_pid(find("worker"))


def test_ended_process_that_nobody_waited_for_is_not_found(spawn: Spawn) -> None:
    process = spawn(*as_worker("i1"))
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert process.pid not in by_pid(find("worker"))


def test_end_asks_first_then_kills(spawn: Spawn) -> None:
    meek, stubborn = spawn(*as_worker("i1")), spawn(*as_worker("i2"), stubborn=True)
    found = by_pid(find("worker"))
    assert end([found[meek.pid]], seconds=SECONDS) == {meek.pid: "terminated"}
    assert end([found[stubborn.pid]], seconds=0.2) == {stubborn.pid: "killed"}
    assert (meek.wait(), stubborn.wait()) == (-signal.SIGTERM, -signal.SIGKILL)


def test_end_reaches_frozen_processes(spawn: Spawn) -> None:
    process = spawn(*as_worker("i1"))
    found = by_pid(find("worker"))
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    assert end([found[process.pid]], seconds=SECONDS) == {process.pid: "terminated"}


def test_end_spares_a_later_process_of_the_same_id(spawn: Spawn) -> None:
    process = spawn()
    stale = OurProcess(kind="worker", pid=process.pid, started=1000.0, status="running", rss=1)
    assert end([stale]) == {process.pid: "gone"}
    assert process.poll() is None


def test_sweep_kills_what_carries_the_instance_only(spawn: Spawn) -> None:
    mine, other = random_name(), random_name()
    stray = spawn(env={"CREW_INSTANCE": mine}, stubborn=True)
    spared = spawn(env={"CREW_INSTANCE": other})
    assert [process.pid for process in find_tasks({mine})] == [stray.pid]
    assert sweep({mine}) == 1
    assert stray.wait() == -signal.SIGKILL
    assert spared.poll() is None
    assert sweep({mine}) == 0


def test_terminate_process_ends_any_process_and_says_whether(spawn: Spawn, dead_pid: int) -> None:
    process = spawn()
    assert terminate_process(process.pid, seconds=SECONDS)
    assert process.wait() == -signal.SIGTERM
    assert not terminate_process(dead_pid)


def test_terminate_process_kills_one_that_does_not_listen(spawn: Spawn) -> None:
    process = spawn(stubborn=True)
    assert terminate_process(process.pid, seconds=0.1)
    assert process.wait() == -signal.SIGKILL


def test_terminate_process_refuses_numbers_that_cannot_be_meant() -> None:
    for pid in (0, 1, -1, os.getpid()):
        with pytest.raises(ConfigError, match=f"pid={pid}: "):
            terminate_process(pid)


@pytest.mark.parametrize("pid", ["12", True, 1.5, None])
def test_terminate_process_refuses_what_is_no_number(pid: int) -> None:
    with pytest.raises(TypeError, match="pid="):
        terminate_process(pid)


def test_monitor_shows_workers_and_dispatchers(spawn: Spawn) -> None:
    worker, dispatcher = spawn(*as_worker("i1")), spawn(*as_dispatcher("/tmp/d1"))
    monitor = LocalMonitor()
    workers = monitor.workers()
    assert tuple(workers.columns) == COLUMNS
    row = workers[workers["pid"] == worker.pid].iloc[0]
    assert (row["name"], row["controller"], row["instance"]) == ("crew-c1-i1", "c1", "i1")
    assert row["started"].tzinfo is not None
    dispatchers = monitor.dispatchers()
    assert list(dispatchers[dispatchers["pid"] == dispatcher.pid]["name"]) == ["crew-c1"]
    jobs = monitor.jobs()
    assert tuple(jobs.columns) == JOB_COLUMNS
    assert "running" in set(jobs[jobs["job"] == str(worker.pid)]["state"])
    assert tuple(monitor.daemons().columns) == COLUMNS


def test_monitor_ends_what_is_ours(spawn: Spawn) -> None:
    one, two, three = (spawn(*as_worker(f"i{i}")) for i in range(3))
    LocalMonitor().terminate([one.pid, two.pid])
    LocalMonitor().terminate(three.pid)
    # Who was not quick enough was killed, and is about to end.
    assert all(process.wait(SECONDS) < 0 for process in (one, two, three))


def test_monitor_refuses_what_is_not_ours_and_then_ends_nothing(spawn: Spawn) -> None:
    ours, foreign = spawn(*as_worker("i1")), spawn()
    with pytest.raises(
        ConfigError, match=f"not a dispatcher, daemon or worker of yours .*: {foreign.pid}"
    ):
        LocalMonitor().terminate([ours.pid, foreign.pid])
    assert ours.poll() is None
    assert foreign.poll() is None


@pytest.mark.parametrize("pid", ["9" * 5000, "-1", "\u00b2", "\u0661", "", "12x"])
def test_a_command_line_may_say_anything_about_its_client(spawn: Spawn, pid: str) -> None:
    name = random_name(8)
    options = ("--directory", "/nowhere", "--controller", name, "--client-pid", pid)
    process = spawn("-m", "crew_core._dispatcher", *options)
    (found,) = [ours for ours in find("dispatcher") if ours.pid == process.pid]
    assert (found.controller, found.client_pid) == (name, None)
