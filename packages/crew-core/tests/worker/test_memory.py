"""Peak memory, a task at a time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from crew_core._worker.memory import PeakMemory, peak_in

RESETS = Path("/proc/self/clear_refs").exists()


def test_a_tasks_peak_contains_what_it_used(process: Any) -> None:
    assert process.run("len(bytearray(b'x') * 200_000_000)").rss_peak > 200_000_000


@pytest.mark.skipif(not RESETS, reason="this system keeps one peak for the whole life of a process")
def test_a_tasks_peak_is_its_own(process: Any) -> None:
    small = process.run("1").rss_peak
    large = process.run("len(bytearray(b'x') * 200_000_000)").rss_peak
    again = process.run("1").rss_peak
    assert large > small + 190_000_000
    assert again < small + 50_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_peak_is_not_the_parents(process: Any) -> None:
    hoard = bytearray(b"x") * 300_000_000
    assert process.run("1").rss_peak < len(hoard)


@pytest.mark.skipif(not RESETS, reason="this system keeps one peak for the whole life of a process")
def test_quick_tasks_do_not_hide_the_one_among_them_that_uses_much() -> None:
    memory = PeakMemory()
    before = memory.after_task()
    for _ in range(100):
        memory.after_task()
    hoard = bytearray(b"x") * 100_000_000
    assert memory.after_task() > before + len(hoard) // 2


@pytest.mark.parametrize(
    ("status", "peak"),
    [
        (b"Name:\tpython\nVmPeak:\t  90 kB\nVmHWM:\t   12 kB\nThreads:\t1\n", 12 * 1024),
        (b"Name:\tVmHWM: 9 kB\nVmHWM:\t   12 kB\n", 12 * 1024),
        (b"Name:\tpython\nThreads:\t1\n", None),
        (b"Name:\tpython\nVmHWM:\t kB\n", None),
        (b"Name:\tpython\nVmHWM:\t12", None),
        (b"", None),
    ],
)
def test_a_kernel_may_tell_of_no_peak(status: bytes, peak: int | None) -> None:
    assert peak_in(status) == peak


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_where_the_kernel_tells_of_no_peak_there_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("crew_core._worker.memory.peak_in", lambda status: None)
    memory = PeakMemory()
    assert memory.read() > 1_000_000
    memory.start_afresh()
    assert memory.after_task() > 1_000_000
