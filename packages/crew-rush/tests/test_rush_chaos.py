"""Many tasks, many deaths: every task has one end, and what is counted is what is there."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import crew_rush
from rush_loops import kill_store
from rush_servers import RedisServer, find_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

WORKERS = 8
TASKS = 100_000
# By what was done, and not by time: a slow computer would do little but start what was killed.
TROUBLES = 20  # of the store
KILLS = 50  # of workers
SECONDS = 1500.0


def batch_loop() -> Callable[..., None]:
    def loop(worker: crew_rush.RushWorker) -> None:
        while not worker.terminated:
            while (task := worker.pop_task(timeout=0.2)) is not None:
                worker.finish_tasks([task.key], [{"y": task.xs["x"]}])

    return loop


class Reaper(threading.Thread):
    """Kills workers at random as tasks become fewer, and has them restarted, until told to end."""

    def __init__(self, rush: crew_rush.Rush, seed: int) -> None:
        super().__init__(daemon=True)
        self._rush = rush
        self._draw = random.Random(seed)
        self.over = threading.Event()
        self.killed = 0

    def run(self) -> None:
        left = TASKS
        while not self.over.wait(self._draw.uniform(0.1, 0.5)):
            self._rush.detect_lost_workers()
            self._rush.restart_workers()
            if self._rush.n_queued_tasks > left:
                continue
            left -= TASKS // KILLS
            table = self._rush.worker_info
            running = table[table["state"] == "running"]
            if len(running):
                self._kill(int(running["pid"].sample(random_state=self.killed).iloc[0]))

    def _kill(self, pid: int) -> None:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.killed += 1


def check_all_have_one_end(rush: crew_rush.Rush, keys: list[str]) -> None:
    finished, failed = rush.tasks_with_state("finished"), rush.tasks_with_state("failed")
    assert len(finished) == len(set(finished))
    assert len(failed) == len(set(failed))
    assert set(finished).isdisjoint(failed)
    assert {*finished, *failed} == set(keys)
    table = rush.fetch_finished_tasks()
    assert len(table) == rush.n_finished_tasks == len(finished)
    assert table["key"].tolist() == finished
    assert (table["x"] == table["y"]).all()


def run(rush: crew_rush.Rush, trouble: Callable[[], None]) -> None:
    keys = rush.push_tasks([{"x": number} for number in range(TASKS)])
    rush.start_local_workers(batch_loop(), n_workers=WORKERS)
    reaper = Reaper(rush, seed=1)
    reaper.start()
    deadline = time.monotonic() + SECONDS
    for left in range(TASKS - TASKS // TROUBLES, 0, -TASKS // TROUBLES):
        while rush.n_queued_tasks > left:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        trouble()
    while rush.n_queued_tasks:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    reaper.over.set()
    reaper.join()
    assert rush.wait_for_tasks(keys, timeout=120)
    assert reaper.killed > 0
    check_all_have_one_end(rush, keys)


def test_embedded_store_and_workers_die(tmp_path: Path) -> None:
    with (
        crew_rush.EmbeddedStore(tmp_path / "store") as store,
        crew_rush.Rush(store=store) as rush,
    ):
        run(rush, lambda: kill_store(store))
        rush.reset()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(find_server(), tmp_path)
    server.start()
    yield server
    server.stop()


def test_redis_is_restarted_and_workers_die(server: RedisServer) -> None:
    def restart() -> None:
        server.kill()
        server.start()

    with crew_rush.Rush(store=server.url) as rush:
        run(rush, restart)
        rush.reset()
