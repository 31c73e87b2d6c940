"""Hundreds of runs with faults, all different, in which nothing that never may be comes to pass."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.__main__ import REPLAY, shown
from simulator.large import large
from simulator.run import run, run_seed

SEEDS = 300
PARTS = 10
TESTS = Path(__file__).parents[1]

pytestmark = pytest.mark.timeout(900)  # it reckons all the time, on a machine that may be busy


@pytest.mark.parametrize("part", range(PARTS))
def test_no_seed_fails(part: int) -> None:
    reports = [run_seed(seed) for seed in range(part, SEEDS, PARTS)]
    failed = [f"{REPLAY} {r.seed}  # {shown(r)}" for r in reports if r.failure is not None]
    assert not failed, "\n".join(failed)


def test_a_seed_is_the_same_run_in_any_process() -> None:
    def told(hash_seed: str) -> str:
        command = [sys.executable, "-m", "simulator", "--seed", "7"]
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        env["PYTHONPATH"] = os.pathsep.join([str(TESTS), env.get("PYTHONPATH", "")])
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout

    assert told("1") == told("2")


def test_many_workers_and_many_tasks() -> None:
    report = run(1, large(workers=300, tasks=20_000))
    assert report.failure is None
    assert report.fates == {"success": 20_000}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_ten_thousand_workers_and_a_million_tasks() -> None:
    report = run(1, large())
    assert report.failure is None
    assert report.fates == {"success": 1_000_000}
