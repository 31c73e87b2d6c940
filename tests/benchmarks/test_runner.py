"""Runs real sittings of the standard library's pool, which needs nothing installed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from benchmarks import processes, runner
from benchmarks.plan import CONTENDERS, POOL, Group, Work
from benchmarks.runner import Runner


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Runner:
    monkeypatch.setattr(runner, "python_of", lambda _: Path(sys.executable))
    # What others take of this machine's memory is none of these tests' business.
    monkeypatch.setattr(processes, "_BYTES_TO_SPARE", 0)
    contenders = [contender for contender in CONTENDERS if contender.name == POOL]
    made = Runner(contenders, (), budget=10.0, deadline=time.monotonic() + 1000)
    made.install()
    return made


def test_a_sitting_gives_figures_and_a_version(pool: Runner) -> None:
    pool.groups = [
        Group("tasks", (Work("round_trip"), Work("bulk", 1_000), Work("submit", 1_000))),
        Group("cold", (Work("cold", 1),), kind="cold"),
    ]
    pool.rounds(0, 2)
    values = pool.contest.values[POOL]
    assert {"round_trip/p50", "round_trip/p99", "round_trip/processor"} < set(values)
    assert {"bulk/1000", "submit/1000", "cold/1", "cold/1/processor"} < set(values)
    assert all(len(pool.contest.all_of(POOL, name)) == 2 for name in values)
    assert pool.contest.versions[POOL] == ".".join(map(str, sys.version_info[:3]))
    assert not pool.contest.notes


def test_what_a_contender_cannot_do_is_noted_and_not_tried_again(pool: Runner) -> None:
    pool.groups = [Group("tasks", (Work("bulk", 1_000), Work("nothing", 1)))]
    pool.contenders = [CONTENDERS[2]]  # its library is not there
    pool._pythons[CONTENDERS[2].name] = Path(sys.executable)
    pool.rounds(0, 1)
    assert "ModuleNotFoundError" in pool.contest.notes[CONTENDERS[2].name]["bulk/1000"]


def test_after_the_deadline_no_sitting_begins(pool: Runner) -> None:
    pool.groups = [Group("tasks", (Work("bulk", 1_000),))]
    pool.deadline = time.monotonic() - 1
    pool.rounds(0, 1)
    assert not pool.contest.values
