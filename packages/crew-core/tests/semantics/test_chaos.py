"""Workers are killed, frozen and slow to read, and every task still comes back exactly once."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

import crew_core as crew
from crew_core._launcher.processes import has_ended

Survivors = Callable[[], "list[psutil.Process]"]

SECONDS = 60
HEARTBEAT_SECONDS = 6
"""Where workers are frozen: the others, on a busy machine, are not to be taken for such."""

BETWEEN_KILLS = 700
"""Records."""


def quick(i: int) -> tuple[int, int]:
    """A task that takes about a millisecond, so that the kills fall into the run."""
    time.sleep(0.001)
    return i, os.getpid()


def supervisors(name: str) -> list[int]:
    """The workers of this controller: other tests have theirs."""
    table = crew.monitor("local").workers()
    return [int(pid) for pid in table["pid"][table["controller"] == name]]


def task_processes(supervisor: int) -> list[int]:
    return [child.pid for child in psutil.Process(supervisor).children()]


class Killer:
    """Kills a random process of a controller's workers, from a seed.

    Supervisors and task processes take turns.
    """

    def __init__(self, name: str, seed: int) -> None:
        self.killed: list[str] = []
        self._name = name
        self._random = random.Random(seed)

    def kill_one(self) -> None:
        """Kill whoever is there, if anybody is."""
        # It may end by itself between a look and a kill.
        with suppress(psutil.Error, ProcessLookupError):
            self._kill_one()

    def _kill_one(self) -> None:
        workers = supervisors(self._name)
        if not workers:
            return
        victim = self._random.choice(sorted(workers))
        kind = ("supervisor", "task process")[len(self.killed) % 2]
        if kind == "task process":
            victim = self._random.choice(task_processes(victim) or [victim])
        os.kill(victim, signal.SIGKILL)
        self.killed.append(kind)


class Run:
    """Has tasks done while workers are killed, and keeps all that comes back."""

    def __init__(self, controller: crew.Controller, killer: Killer) -> None:
        self.names: list[str] = []
        self.records: list[crew.Record] = []
        self._controller = controller
        self._killer = killer

    def do(self, tasks: int) -> None:
        """Push them all and pop each; a worker is killed after the first, and now and then.

        By the records and not by a clock: on a busy machine workers would be killed faster than
        they can start.
        """
        numbers = range(len(self.names), len(self.names) + tasks)
        names = [f"task-{i}" for i in numbers]
        self.names += names
        self._controller.walk(quick, {"i": numbers}, names=names)
        due = len(self.records) + 1
        while len(self.records) < len(self.names):
            assert self._controller.wait("one", seconds_timeout=SECONDS)
            while (record := self._controller.pop()) is not None:
                self.records.append(record)
            if len(self.records) >= due:
                self._killer.kill_one()
                due = len(self.records) + BETWEEN_KILLS

    @property
    def was_hard(self) -> bool:
        """True when both kinds were killed, and one of them while it was at a task."""
        both = {"supervisor", "task process"} <= set(self._killer.killed)
        return both and max(record.attempts for record in self.records) > 1


@pytest.mark.parametrize(("seed", "workers"), [(1, 2), (2, 4)])
def test_each_of_ten_thousand_tasks_comes_back_once_while_workers_are_killed(
    controller_name: str, runtime: Path, survivors: Survivors, seed: int, workers: int
) -> None:
    killer = Killer(controller_name, seed)
    # Workers that are still starting are killed, too; that must not look like a broken launcher.
    with crew.controller(
        "local", name=controller_name, workers=workers, launch_max=1000
    ) as controller:
        run = Run(controller, killer)
        run.do(10_000)
        while not run.was_hard:  # whom a kill hits is a matter of luck
            run.do(1000)
        sys.stdout.write(f"seed {seed}: killed {', '.join(killer.killed)}\n")
        popped = len(run.names)
        assert (controller.size, controller.unresolved, controller.popped) == (0, 0, popped)
        assert controller.pop() is None
    assert sorted(record.name for record in run.records) == sorted(run.names)
    failed = [record for record in run.records if record.status != "success"]
    assert failed == []
    assert all(record.result[0] == int(record.name[5:]) for record in run.records)
    assert survivors() == []
    assert list(runtime.glob("crew/*")) == []


def note(folder: Path, i: int, seconds: float) -> int:
    """Leave a trace of each run."""
    (folder / f"{i}-{os.getpid()}").touch()
    time.sleep(seconds)
    return i


def teach_that_notes_are_quick(controller: crew.Controller, data: dict[str, Any]) -> int:
    """Many are handed to one worker ahead from now on; how many tasks that took."""
    lessons = 0
    slowest = 1.0
    while slowest > 0.01:  # of twice that it hands out ten at once
        table = controller.map(note, {"i": [-1] * 16}, data=data)
        slowest = table["seconds"].max()
        lessons += len(table)
    return lessons


@pytest.fixture
def frozen() -> Iterator[Callable[[int], psutil.Process]]:
    """Freezes processes; they run again at the end of the test at the latest."""
    stopped: list[psutil.Process] = []

    def freeze(pid: int) -> psutil.Process:
        process = psutil.Process(pid)
        process.suspend()
        stopped.append(process)
        return process

    yield freeze
    for process in stopped:
        with suppress(psutil.NoSuchProcess):
            process.resume()


def test_tasks_of_a_frozen_worker_are_run_elsewhere_and_it_is_ended(
    controller_name: str,
    tmp_path: Path,
    survivors: Survivors,
    frozen: Callable[[int], psutil.Process],
) -> None:
    with crew.controller(
        "local", name=controller_name, workers=1, seconds_heartbeat=HEARTBEAT_SECONDS
    ) as controller:
        data = {"folder": tmp_path, "seconds": 0.001}
        lessons = teach_that_notes_are_quick(controller, data)
        (worker,) = supervisors(controller_name)
        process = frozen(worker)
        controller.walk(note, {"i": range(20)}, data=data)
        crew.retry(lambda: handed_out(controller) > 5, seconds_timeout=SECONDS)
        assert controller.wait(seconds_timeout=SECONDS)
        table = controller.collect()
        assert table is not None
        assert sorted(table["result"]) == list(range(20))
        assert set(table["status"]) == {"success"}
        assert worker not in [psutil.Process(int(pid)).ppid() for pid in set(table["pid"])]
        assert table["attempts"].max() == 2  # the one that it might have been running
        assert (table["attempts"] > 1).sum() == 1
        crew.retry(lambda: has_ended(process), seconds_timeout=SECONDS)
        assert controller.pop() is None
        assert controller.popped == lessons + 20
    assert survivors() == []


def note_both_ends(folder: Path) -> int:
    """A task that ends once it may; it leaves a trace of its beginning and of its end."""
    (folder / f"begun-{os.getpid()}").touch()
    crew.retry((folder / "go").exists, seconds_interval=0.01)
    (folder / f"ended-{os.getpid()}").touch()
    return 1


def test_a_frozen_workers_late_outcome_does_not_count(
    controller_name: str,
    tmp_path: Path,
    survivors: Survivors,
    frozen: Callable[[int], psutil.Process],
) -> None:
    with crew.controller(
        "local", name=controller_name, workers=1, seconds_heartbeat=HEARTBEAT_SECONDS
    ) as controller:
        controller.push(note_both_ends, (tmp_path,), name="task")
        crew.retry(lambda: list(tmp_path.glob("begun-*")), seconds_interval=0.01)
        (worker,) = supervisors(controller_name)
        process = frozen(worker)
        (tmp_path / "go").touch()
        # Its task process runs on and ends the task; another runs it again.
        crew.retry(lambda: len(list(tmp_path.glob("ended-*"))) == 2, seconds_timeout=SECONDS)
        with suppress(psutil.NoSuchProcess):
            process.resume()
        assert controller.wait(seconds_timeout=SECONDS)
        record = controller.pop()
        assert record is not None
        assert (record.result, record.attempts) == (1, 2)
        begun = {path.name.partition("-")[2] for path in tmp_path.glob("begun-*")}
        assert str(record.pid) in begun
        crew.retry(lambda: has_ended(process), seconds_timeout=SECONDS)
        assert controller.pop() is None
        assert controller.popped == 1
    assert survivors() == []


def measure(i: int, payload: bytes) -> tuple[int, int, int]:
    return i, len(payload), sum(payload[:8])


LARGE = 200_000
QUICK_SECONDS = 0.002  # a hundred of these are handed out at once


def test_nothing_is_lost_when_a_worker_does_not_read_for_a_while(
    controller_name: str, survivors: Survivors, frozen: Callable[[int], psutil.Process]
) -> None:
    with crew.controller("local", name=controller_name, workers=1) as controller:
        learn_that_it_is_quick(controller, measure, {"i": [0] * 50, "payload": [b""] * 50})
        (worker,) = supervisors(controller_name)
        process = frozen(worker)
        payloads: list[Any] = [bytes([i % 251]) * (LARGE + i) for i in range(300)]
        handles = controller.walk(measure, {"i": range(300), "payload": payloads})
        # More has been handed out to it than one message holds, or a socket's buffers.
        crew.retry(lambda: handed_out(controller) * LARGE > 3 << 20, seconds_timeout=SECONDS)
        process.resume()
        results = [handle.result(SECONDS) for handle in handles.values()]
        assert results == [(i, LARGE + i, 8 * (i % 251)) for i in range(300)]
        assert {attempts(handle) for handle in handles.values()} == {1}
        assert supervisors(controller_name) == [worker]
    assert survivors() == []


def hold(seconds: float) -> None:
    time.sleep(seconds)


def test_no_message_of_many_is_lost_when_a_worker_does_not_read_for_a_while(
    controller_name: str, survivors: Survivors, frozen: Callable[[int], psutil.Process]
) -> None:
    with crew.controller("local", name=controller_name, workers=1) as controller:
        learn_that_it_is_quick(controller, hold, {"seconds": [0] * 50})
        (worker,) = supervisors(controller_name)
        process = frozen(worker)
        # The first keeps the others from starting.
        handles = controller.walk(hold, {"seconds": [600] + [0] * 299})
        crew.retry(lambda: handed_out(controller) > 60, seconds_timeout=SECONDS)
        for handle in reversed(handles.values()):
            handle.cancel()  # a message each
        controller.client.summary()  # the dispatcher has had them all
        process.resume()
        assert controller.wait(seconds_timeout=SECONDS)
        table = controller.collect()
        assert table is not None
        assert sorted(table["name"]) == sorted(handles)
        assert set(table["status"]) == {"cancel"}
        assert controller.submit(abs, -1).result(SECONDS) == 1
        assert supervisors(controller_name) == [worker]
    assert survivors() == []


def produce(i: int, folder: Path) -> bytes:
    (folder / str(i)).touch()
    return bytes([i]) * LARGE


def test_nothing_is_lost_when_the_dispatcher_does_not_read_for_a_while(
    controller_name: str,
    tmp_path: Path,
    survivors: Survivors,
    frozen: Callable[[int], psutil.Process],
) -> None:
    with crew.controller("local", name=controller_name, workers=2) as controller:
        controller.map(produce, {"i": range(8)}, data={"folder": tmp_path})
        handles = controller.walk(produce, {"i": range(8, 250)}, data={"folder": tmp_path})
        crew.retry((tmp_path / "40").exists, seconds_interval=0.001, seconds_timeout=SECONDS)
        process = frozen(controller.client.pid)
        # The client goes on: what it says now waits, too.
        late = controller.submit(abs, -1)
        settle(tmp_path)
        process.resume()
        results = [handle.result(SECONDS) for handle in handles.values()]
        assert results == [bytes([i]) * LARGE for i in range(8, 250)]
        assert late.result(SECONDS) == 1
        assert {attempts(handle) for handle in handles.values()} == {1}
    assert survivors() == []


def settle(folder: Path) -> None:
    """Wait until no task has run for a while: what the workers had is done."""
    counts = [-1, 0]

    def unchanged() -> bool:
        counts[:] = [counts[1], len(list(folder.iterdir()))]
        return counts[0] == counts[1]

    crew.retry(unchanged, seconds_interval=0.2, seconds_timeout=SECONDS)


def learn_that_it_is_quick(
    controller: crew.Controller, command: Callable[..., Any], iterate: dict[str, list[Any]]
) -> None:
    """Let the dispatcher see that such tasks are quick, so that it hands out many at once.

    On a busy machine some are slow, and it goes by the latest.
    """

    def were_quick() -> bool:
        seconds = list(controller.map(command, iterate)["seconds"])
        return bool(max(seconds[-16:]) < QUICK_SECONDS)

    crew.retry(were_quick, seconds_interval=0.01, seconds_timeout=SECONDS)


def attempts(handle: Any) -> int:
    return int(handle.record.attempts)


def handed_out(controller: crew.Controller) -> int:
    """Tasks that workers hold."""
    table = controller.client.summary()
    return int((table["assigned"] - table["complete"]).sum())
