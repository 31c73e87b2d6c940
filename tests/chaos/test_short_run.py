"""Each fault once, on real processes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from chaos.faults.base import Fault
from chaos.faults.catalog import FAULTS
from chaos.report import Report
from chaos.run import Runner
from testbeds.waiting import until

TASKS = 4_000
MINUTES = 1.5

pytestmark = pytest.mark.timeout(1500)


@dataclass
class Outcome:
    """What a run has found, and what there is of it when it is over."""

    report: Report
    text: str
    left: list[str]


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    """One run for all tests."""
    lines: list[str] = []
    runner = Runner(FAULTS, minutes=MINUTES, tasks=TASKS, seed=1, once=True, say=lines.append)
    report = runner.run()
    lines += report.lines()
    with contextlib.suppress(AssertionError):  # who is killed, and a disk, take their time to go
        until(lambda: not any(traces(runner.name)), 60)
    return Outcome(report, "\n".join(lines), list(traces(runner.name)))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_breaks_no_promise(outcome: Outcome, fault: type[Fault]) -> None:
    (row,) = [row for row in outcome.report.rows if row.fault is fault]
    if row.lacks is not None:
        pytest.skip(f"needs {row.lacks}")
    assert row.outcome == "kept", outcome.text


def test_no_task_is_lost_or_done_twice_without_excuse(outcome: Outcome) -> None:
    assert outcome.report.problems == [], outcome.text
    assert outcome.report.tasks >= TASKS


def test_no_process_file_or_mount_is_left(outcome: Outcome) -> None:
    assert outcome.left == []


def traces(name: str) -> Iterator[str]:
    """Where a name still shows on this machine."""
    yield from (str(path) for path in Path("/tmp").glob(f"{name}*"))
    yield from (" ".join(argv) for argv in command_lines() if name in " ".join(argv))
    for path in (Path("/proc/mounts"), *Path("/sys/block").glob("loop*/loop/backing_file")):
        with contextlib.suppress(OSError):  # other systems, and disks that just go
            yield from (line for line in path.read_text().splitlines() if name in line)


def command_lines() -> Iterator[list[str]]:
    for process in psutil.process_iter():
        try:
            yield process.cmdline()
        except psutil.Error:
            continue
