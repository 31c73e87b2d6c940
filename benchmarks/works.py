"""The works themselves, written against the interface that all contenders have.

Each takes an adapter that is started and has its workers, its size, and how many seconds it may
take at most; it returns figures by name, in seconds, bytes or cores.
"""

from __future__ import annotations

import gc
import heapq
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import family
from benchmarks.catalog import SECONDS_BUSY
from benchmarks.contenders.base import Adapter
from benchmarks.plan import WORKERS
from benchmarks.tasks import burn, echo, meet, nap, noop, pick

Figures = dict[str, float]

_SECONDS_IDLE = 20.0
_SECONDS_TO_SETTLE = 2.0
_MEGABYTE = 1_000_000
_SHARERS = 1_000
_CALLS_AT_MOST = 1_000
_SECONDS_SHORT, _SECONDS_LONG = 0.001, 2.0
_LONG_ONES = 4


class Meeting:
    """Keeps workers in a task each, until it is left: all are there, and none is free."""

    def __init__(self, adapter: Adapter, workers: int, seconds: float) -> None:
        self._adapter = adapter
        self._workers = workers
        self._seconds = seconds

    def __enter__(self) -> Meeting:
        self._folder = Path(tempfile.mkdtemp(dir="."))
        self._handles: list[Any] = []
        self._call_in(self._workers)
        patience = self._seconds / 10
        end = time.monotonic() + self._seconds
        look = time.monotonic() + patience
        while (here := sum(1 for _ in self._folder.iterdir())) < self._workers:
            if time.monotonic() > end:
                (self._folder / "go").touch()  # or ending the contender would wait for them
                raise TimeoutError(f"{here} of {self._workers} workers after {self._seconds:.0f} s")
            if time.monotonic() > look and len(self._handles) < _CALLS_AT_MOST:
                # Some queue tasks for a worker that is in one already, while others are free.
                self._call_in(len(self._handles))
                look = time.monotonic() + patience
            time.sleep(0.005)
        return self

    def _call_in(self, count: int) -> None:
        place, first = str(self._folder.resolve()), len(self._handles)
        for index in range(first, first + count):
            self._handles.append(self._adapter.submit(meet, place, index))

    def __exit__(self, *_: object) -> None:
        (self._folder / "go").touch()
        for handle in self._handles:
            self._adapter.result(handle)


def round_trip(adapter: Adapter, _size: int, budget: float) -> Figures:
    """One no-op after another, each waited for."""
    for _ in range(20):
        adapter.call(noop)
    before = family.processor_seconds()
    end = time.monotonic() + budget
    seconds: list[float] = []
    while len(seconds) < 1_000 and (time.monotonic() < end or len(seconds) < 100):
        began = time.perf_counter()
        adapter.call(noop)
        seconds.append(time.perf_counter() - began)
    percentiles = statistics.quantiles(seconds, n=100)
    return {
        "round_trip/p50": percentiles[49],
        "round_trip/p99": percentiles[98],
        "round_trip/processor": family.spent_since(before) / len(seconds),
    }


def submit(adapter: Adapter, size: int, _budget: float) -> Figures:
    """So many separate submits of a no-op, then all results."""
    return _timed("submit", size, lambda: adapter.run_each(noop, size))


def bulk(adapter: Adapter, size: int, _budget: float) -> Figures:
    """So many no-ops through the bulk call, which was used before."""
    adapter.map(noop, range(20))
    return _timed("bulk", size, lambda: adapter.map(noop, range(size)))


def busy(adapter: Adapter, size: int, _budget: float) -> Figures:
    """So many tasks that each keep a core busy for a little, by the bulk call, used before."""
    adapter.map(burn, [SECONDS_BUSY] * 20)
    return _timed("busy", size, lambda: adapter.map(burn, [SECONDS_BUSY] * size))


def mixed(adapter: Adapter, size: int, _budget: float) -> Figures:
    """So many short tasks with a few long ones among them, through the bulk call."""
    gap = size // (_LONG_ONES + 1)
    naps = (([_SECONDS_SHORT] * gap + [_SECONDS_LONG]) * size)[: size + _LONG_ONES]
    began = time.perf_counter()
    values = adapter.map(nap, naps)
    seconds = time.perf_counter() - began
    _check(len(values), len(naps))
    return {f"mixed/{size}": seconds / makespan(values, WORKERS)}


def makespan(seconds: Sequence[float], workers: int) -> float:
    """How long tasks take when each goes to the first free worker, in order and at once."""
    free = [0.0] * workers
    for task in seconds:
        heapq.heapreplace(free, free[0] + task)
    return max(free)


def echo_array(adapter: Adapter, size: int, budget: float) -> Figures:
    """An array of so many megabytes out and back; warm, unless once is all that the time allows."""
    array = _array(size)
    seconds: list[float] = []
    end = time.monotonic() + budget
    while len(seconds) < 6 and (not seconds or time.monotonic() + max(seconds) < end):
        began = time.perf_counter()
        back = adapter.call(echo, array)
        seconds.append(time.perf_counter() - began)
        _check(back[-1], array[-1])
        _check(len(back), len(array))
        del back
        adapter.forget()
    return {f"echo/{size}": statistics.median(seconds[1:] or seconds)}


def shared(adapter: Adapter, size: int, _budget: float) -> Figures:
    """A thousand tasks with an array of so many megabytes as the input of all."""
    array = _array(size)
    began = time.perf_counter()
    values = adapter.map_with_array(pick, array, range(_SHARERS))
    seconds = time.perf_counter() - began
    _check(sum(values), sum(range(_SHARERS)))
    return {f"shared/{size}": seconds}


def memory(adapter: Adapter, size: int, budget: float) -> Figures:
    """What a queued task takes in the client and in all processes, and what a finished one does."""
    adapter.run_each(noop, 500)  # what is made once is there now
    with Meeting(adapter, WORKERS, 2 * budget):
        before = _footprint()
        handles = [adapter.submit(noop) for _ in range(size)]
        time.sleep(_SECONDS_TO_SETTLE)
        queued = _footprint()
    for handle in handles:
        adapter.result(handle)
    finished = _footprint()
    figures: Figures = {}
    for state, after in (("queued", queued), ("finished", finished)):
        client, everybody = ((now - then) / size for now, then in zip(after, before, strict=True))
        figures[f"{state}/client"] = client
        if everybody >= client:  # else some idle process went away meanwhile
            figures[f"{state}/all"] = everybody
    return figures


def idle(adapter: Adapter, _size: int, _budget: float) -> Figures:
    """How much of a core all processes together take while there is nothing to do."""
    adapter.call(noop)
    time.sleep(_SECONDS_TO_SETTLE)
    began, before = time.perf_counter(), family.processor_seconds()
    time.sleep(_SECONDS_IDLE)
    return {"idle": family.spent_since(before) / (time.perf_counter() - began)}


WORKS: dict[str, Callable[[Adapter, int, float], Figures]] = {
    "round_trip": round_trip,
    "submit": submit,
    "bulk": bulk,
    "busy": busy,
    "mixed": mixed,
    "echo": echo_array,
    "shared": shared,
    "memory": memory,
    "idle": idle,
}


def _timed(name: str, size: int, run: Callable[[], Sequence[Any]]) -> Figures:
    """Seconds for all tasks, and processor time for each, of all processes together."""
    before, began = family.processor_seconds(), time.perf_counter()
    values = run()
    seconds, spent = time.perf_counter() - began, family.spent_since(before)
    _check(len(values), size)
    return {f"{name}/{size}": seconds, f"{name}/{size}/processor": spent / size}


def _array(megabytes: int) -> Any:
    import numpy as np

    return np.arange(megabytes * _MEGABYTE // 8, dtype=np.float64)


def _footprint() -> tuple[int, int]:
    gc.collect()
    return family.resident_bytes()


def _check(found: float, wanted: float) -> None:
    if found != wanted:
        raise RuntimeError(f"the contender returned {found}, and it should be {wanted}")
