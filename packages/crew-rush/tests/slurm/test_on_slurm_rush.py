"""Workers on SLURM's nodes, which have other addresses than their manager's."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
import crew_rush
from testbeds.slurm import SlurmBed

pytestmark = pytest.mark.timeout(300)

SECONDS = 120.0


@pytest.fixture
def bed(slurm_apart: SlurmBed, monkeypatch: pytest.MonkeyPatch) -> SlurmBed:
    for name, value in slurm_apart.environment().items():
        monkeypatch.setenv(name, value)
    return slurm_apart


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    path = os.environ.get("PYTHONPATH")
    lines = (f"export PYTHONPATH='{path}'",) if path else ()
    return {"script_directory": tmp_path / "scripts", "script_lines": lines}


@pytest.fixture
def rush() -> Iterator[crew_rush.Rush]:
    with (
        crew_rush.EmbeddedStore(network=crew.NetworkOptions()) as store,
        crew_rush.Rush(store=store) as manager,
    ):
        yield manager
        manager.reset()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def test_loops_run_on_the_nodes_and_are_killed_and_restarted(
    rush: crew_rush.Rush, bed: SlurmBed, options: dict[str, Any]
) -> None:
    def loop(worker: crew_rush.RushWorker) -> None:
        import socket
        import time

        while not worker.terminated:
            keys = worker.push_running_tasks([{"host": socket.gethostname()}])
            time.sleep(0.05)
            worker.finish_tasks(keys, [{"y": 1}])

    ids = rush.start_remote_workers(
        loop, launcher="slurm", launcher_options={**options, "cpus_per_task": 8}, n_workers=2
    )
    assert rush.wait_for_workers(timeout=SECONDS)
    until(lambda: rush.n_finished_tasks >= 20)
    hosts = set(rush.fetch_finished_tasks()["host"])
    assert hosts <= set(bed.hosts())
    table = rush.worker_info
    assert table["remote"].all()
    assert set(table["launcher"]) == {"slurm"}

    assert rush.stop_workers("kill", ids[:1]) == ids[:1]
    assert rush.restart_workers() == ids[:1]
    assert rush.wait_for_workers(worker_ids=ids[:1], timeout=SECONDS)
    rush.stop_workers()
    until(lambda: rush.n_running_workers == 0)
    assert set(rush.worker_info["state"]) == {"terminated"}


def test_job_that_the_scheduler_ends_is_lost(
    rush: crew_rush.Rush, bed: SlurmBed, options: dict[str, Any]
) -> None:
    def loop(worker: crew_rush.RushWorker) -> None:
        import time

        worker.push_running_tasks([{"x": 1}])
        time.sleep(600)

    ids = rush.start_remote_workers(loop, launcher="slurm", launcher_options=options, n_workers=1)
    until(lambda: rush.n_running_tasks == 1)
    for line in bed.ask("squeue", "-h", "-r", "-o", "%i %j").splitlines():
        if f"crew-{rush.network_id}" in line:
            bed.ask("scancel", line.split()[0])
    until(lambda: rush.n_failed_tasks == 1)
    assert rush.detect_lost_workers() == ids
