"""One contender doing some works, in a process and an environment of its own.

Run as `python -m benchmarks.sitting NAME WORKERS BUDGET RESULTS WORK...`. It appends to RESULTS a
line of JSON for each figure or note as soon as it has it, so that nothing is lost when a later work
hangs. Everything that the contender prints goes elsewhere.
"""

from __future__ import annotations

import json
import math
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import contenders, family
from benchmarks.plan import FLOOR, Work, too_slow
from benchmarks.works import WORKS, Meeting

_SECONDS_TO_MEET = 60.0
_SECONDS_TO_STOP = 30.0
_SECONDS_AT_MOST = 3600  # should the runner be gone, this process ends by itself


class Notebook:
    """Appends what is found to the file that the runner reads."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def figure(self, name: str, value: float) -> None:
        """A number."""
        self._add({"figure": name, "value": value})

    def left_out(self, work: str, why: str) -> None:
        """A work was not tried."""
        self._add({"work": work, "left out": why})

    def failed(self, work: str, why: str) -> None:
        """A work was tried in vain."""
        self._add({"work": work, "failed": why})

    def version(self, text: str) -> None:
        """Who was measured."""
        self._add({"version": text})

    def _add(self, line: dict[str, object]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def sit(name: str, workers: int, budget: float, works: Sequence[Work], notebook: Notebook) -> None:
    """Start the contender, do the works, end it."""
    adapter = contenders.adapter(name)
    notebook.version(adapter.version)
    began = time.perf_counter()
    adapter.start(workers)
    try:
        if name != FLOOR:  # which has none to meet
            with Meeting(adapter, workers, _SECONDS_TO_MEET):
                notebook.figure(f"start/{workers}", time.perf_counter() - began)
            adapter.forget()
        done: list[tuple[Work, float]] = []
        for work in works:
            if why := too_slow(work, done, budget):
                notebook.left_out(work.key, why)
            elif work.name in WORKS:
                done.append((work, _do(adapter, work, budget, notebook)))
                adapter.forget()
    finally:
        began = time.perf_counter()
        adapter.close()
        if family.wait_until_alone(_SECONDS_TO_STOP):
            notebook.figure(f"stop/{workers}", time.perf_counter() - began)
        else:
            why = f"some of its processes were left {_SECONDS_TO_STOP:.0f} s after its end"
            notebook.failed(f"life/{workers}", why)


def _do(adapter: contenders.Adapter, work: Work, budget: float, notebook: Notebook) -> float:
    """Returns what to judge the next size by: seconds, endless when this one failed."""
    began = time.perf_counter()
    try:
        figures = WORKS[work.name](adapter, work.size or 0, budget)
    except Exception as error:  # noqa: BLE001 - what a contender cannot do is a result as well
        notebook.failed(work.key, f"{type(error).__name__}: {error}"[:200])
        return math.inf
    for figure, value in figures.items():
        notebook.figure(figure, value)
    return figures.get(work.key, time.perf_counter() - began)


def main(arguments: Sequence[str]) -> None:
    """Do what the command line says."""
    name, workers, budget, results, *keys = arguments
    if hasattr(signal, "alarm"):
        signal.alarm(_SECONDS_AT_MOST)
    works = [_work(key) for key in keys]
    sit(name, int(workers), float(budget), works, Notebook(Path(results)))


def _work(key: str) -> Work:
    name, _, size = key.partition("/")
    return Work(name, int(size) if size else None)


if __name__ == "__main__":
    main(sys.argv[1:])
