"""How long crew takes where AWS answers late: `nox -s bench_aws_batch`.

AWS Batch comes up in a testbed whose every answer takes a second. Tasks are pushed to a controller
that has no worker, with and without launch daemons.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import crew_core as crew
from benchmarks.environments import ROOT
from testbeds.aws_batch import AwsBatchBed, AwsBatchOptions
from testbeds.aws_batch.faults import Fault

PUBLISHED = ROOT / "docs" / "benchmarks" / "aws_batch.md"

LATE_SECONDS = 1.0
PUSHES = 1000
WORKERS = 8
MANY = 1000
"""So many workers are launched at once when requests are counted."""

_SECONDS = 120.0


@dataclass(frozen=True)
class Times:
    """Seconds of one run.

    Attributes:
        pushes: for all pushes together.
        longest: for the longest of them.
        result: from the first push to the first result.
        results: to the last.
    """

    pushes: float
    longest: float
    result: float
    results: float


@dataclass(frozen=True)
class Many:
    """One launch of many workers, which are then ended before they start.

    Attributes:
        launch: seconds until AWS has all.
        launch_requests: how many it took.
        end: seconds until all are ended.
        end_requests: how many that took.
    """

    launch: float
    launch_requests: int
    end: float
    end_requests: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write what came of it."""
    parser = argparse.ArgumentParser(prog="nox -s bench_aws_batch --", description=__doc__)
    parser.add_argument("--out", type=Path, default=PUBLISHED)
    options = parser.parse_args(arguments)
    if (missing := AwsBatchBed.lacks(AwsBatchOptions(jobs="processes"))) is not None:
        print(f"NOT MEASURED, the testbed needs {missing}")
        return 0
    with up() as bed:
        measured = {processes: measure(bed, processes) for processes in (None, 1, 2)}
        many = measure_many(bed)
    text = page(measured, many)
    print(text)
    options.out.write_text(text, encoding="utf-8")
    return 0


@contextmanager
def up() -> Iterator[AwsBatchBed]:
    """The testbed, which is AWS for us meanwhile, and answers late."""
    bed = AwsBatchBed(AwsBatchOptions(jobs="processes"), "bench")
    bed.up(while_we_live=True)
    try:
        os.environ.update(bed.environment())
        bed.fault(Fault(operation="*", seconds_before=LATE_SECONDS))
        yield bed
    finally:
        bed.down()


# ── Measuring ──────────────────────────────────────────────────────────────────────────────────


def measure(bed: AwsBatchBed, processes: int | None) -> Times:
    """Many pushes to a controller without workers."""
    with controller(bed, workers=WORKERS, processes=processes) as one:
        one.start()
        tasks: list[crew.Task[Any]] = []
        longest = 0.0
        began = time.perf_counter()
        for number in range(PUSHES):
            before = time.perf_counter()
            tasks.append(one.submit(pow, number, 2))
            longest = max(longest, time.perf_counter() - before)
        pushed = time.perf_counter() - began
        tasks[0].result(_SECONDS)
        first = time.perf_counter() - began
        for task in tasks:
            task.result(_SECONDS)
        return Times(pushed, longest, first, time.perf_counter() - began)


def measure_many(bed: AwsBatchBed) -> Many:
    """One launch of many, none of which starts."""
    bed.turn(max_running=0)
    with controller(bed, workers=MANY, processes=None) as many:
        many.start()
        bed.forget_calls()
        began = time.perf_counter()
        many.launch(MANY)
        launched, asked = time.perf_counter() - began, requests(bed)
        began = time.perf_counter()
        many.terminate()
        return Many(launched, asked, time.perf_counter() - began, requests(bed) - asked)


def requests(bed: AwsBatchBed) -> int:
    """How many there were since somebody began to count."""
    return sum(bed.calls().values())


def controller(bed: AwsBatchBed, workers: int, processes: int | None) -> crew.Controller:
    """A controller on the testbed."""
    return crew.controller(
        "aws_batch",
        workers=workers,
        processes=processes,
        job_queue=bed.queue,
        job_definition=bed.definition,
        python=sys.executable,
        host_advertised=bed.address,
    )


# ── Telling ────────────────────────────────────────────────────────────────────────────────────


def page(measured: dict[int | None, Times], many: Many) -> str:
    """What is published."""
    about = f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, one run"
    lines = [
        "# Time on AWS Batch",
        "",
        "Written by `nox -s bench_aws_batch`. AWS Batch in a [testbed](../../testbeds/README.md),",
        f"each of whose answers takes {LATE_SECONDS:g} s; {WORKERS} workers, which are processes.",
        f"Seconds; {about}.",
        "",
        f"| launch daemons | {PUSHES:,} pushes | the longest | first result | last result |",
        "| --- | --- | --- | --- | --- |",
        *(row(processes, times) for processes, times in measured.items()),
        "",
        f"A launch of {MANY:,} workers: {many.launch_requests} requests, {many.launch:.1f} s.",
        f"Their end before they start: {many.end_requests} requests, {many.end:.1f} s.",
    ]
    return "\n".join(lines) + "\n"


def row(processes: int | None, times: Times) -> str:
    """A line of the table."""
    figures = f"{times.pushes:.3f} | {times.longest:.4f} | {times.result:.1f} | {times.results:.1f}"
    return f"| {processes or 'none'} | {figures} |"


if __name__ == "__main__":
    sys.exit(main())
