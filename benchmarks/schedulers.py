"""How long crew takes on schedulers, beside the schedulers themselves: `nox -s bench_schedulers`.

Each scheduler comes up in a testbed, idle. By turns a job is submitted by the scheduler's own
command, and a task is pushed to a controller that has no worker; both note when their job starts.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import crew_core as crew
from benchmarks.environments import ROOT
from crew_core.plugins import LaunchRequest, WorkerLaunch
from testbeds.bed import Bed
from testbeds.sge import SgeBed, SgeOptions
from testbeds.slurm import SlurmBed, SlurmOptions

PUBLISHED = ROOT / "docs" / "benchmarks" / "schedulers.md"

MANY = 1000
"""So many jobs wait at once when a look at them is measured."""

_SECONDS = 120.0
_FIRST_LOOK_SECONDS = 2.5  # it is put off for 2 s after a launch


@dataclass(frozen=True)
class Site:
    """A scheduler to be measured.

    Attributes:
        launcher: crew's name of it.
        bed: makes its testbed.
        submission: the command that submits a script, whose name comes last.
    """

    launcher: str
    bed: Callable[[], Bed]
    submission: Sequence[str]


SITES = (
    Site("slurm", lambda: SlurmBed(SlurmOptions(nodes=2), "bench"), ("sbatch", "-o/dev/null")),
    Site("sge", lambda: SgeBed(SgeOptions(), "bench"), ("qsub", "-o", "/dev/null", "-j", "y")),
)


@dataclass(frozen=True)
class Times:
    """Seconds from one thing to another, of some rounds.

    Attributes:
        own: from the scheduler's command to its job's first line.
        start: from a push to the first line of the worker's job.
        result: from a push to its result.
        all_there: from the launch of 16 workers until all are online.
        many: for the submission of 1,000.
        look: for one look at them.
        end: until they are cancelled.
    """

    own: list[float]
    start: list[float]
    result: list[float]
    all_there: float
    many: float
    look: float
    end: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write what came of it."""
    parser = argparse.ArgumentParser(prog="nox -s bench_schedulers --", description=__doc__)
    parser.add_argument("sites", nargs="*", help="which; default: all that can run here")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path, default=PUBLISHED)
    options = parser.parse_args(arguments)
    measured = {}
    for site in SITES:
        if options.sites and site.launcher not in options.sites:
            continue
        missing = site.bed().lacks()
        if missing is not None:
            print(f"{site.launcher}: NOT MEASURED, it needs {missing}")
            continue
        with up(site) as bed, tempfile.TemporaryDirectory() as folder:
            measured[site.launcher] = measure(site, bed, Path(folder), options.rounds)
            print(row(site.launcher, measured[site.launcher]))
    options.out.write_text(page(measured, options.rounds), encoding="utf-8")
    return 0


@contextmanager
def up(site: Site) -> Iterator[Bed]:
    """Its testbed, whose variables are ours meanwhile."""
    bed = site.bed()
    bed.up(while_we_live=True)
    try:
        os.environ.update(bed.environment())
        yield bed
    finally:
        bed.down()


# ── Measuring ──────────────────────────────────────────────────────────────────────────────────


def measure(site: Site, bed: Bed, folder: Path, rounds: int) -> Times:
    """All that is measured of one scheduler."""
    noted = folder / "noted"
    own, start, result = [], [], []
    for _ in range(rounds):
        own.append(_time_job(site, folder, noted))
        to_start, to_result = _time_push(site, folder, noted)
        start.append(to_start)
        result.append(to_result)
    there = _time_workers(site, folder)
    return Times(own, start, result, there, *_time_many(site, bed, folder))


def _time_job(site: Site, folder: Path, noted: Path) -> float:
    script = folder / "job.sh"
    script.write_text(f"#!/bin/sh\n{_note(noted)}\n", encoding="utf-8")
    _pause(noted)
    began = time.time()
    subprocess.run([*site.submission, str(script)], check=True, capture_output=True, cwd=folder)
    crew.retry(lambda: _read(noted) is not None, seconds_interval=0.01, seconds_timeout=_SECONDS)
    return (_read(noted) or 0.0) - began


def _time_push(site: Site, folder: Path, noted: Path) -> tuple[float, float]:
    with controller(site, folder, _note(noted), workers=1) as one:
        one.start()
        _pause(noted)
        began = time.time()
        one.submit(pow, 6, 7).result(_SECONDS)
        ended = time.time()
    return (_read(noted) or 0.0) - began, ended - began


def _time_workers(site: Site, folder: Path) -> float:
    with controller(site, folder, workers=16) as many:
        many.start()
        began = time.time()
        many.launch(16)
        crew.retry(
            lambda: many.launcher.summary()["online"].sum() == 16,
            seconds_interval=0.01,
            seconds_timeout=_SECONDS,
        )
        return time.time() - began


def _time_many(site: Site, bed: Bed, folder: Path) -> tuple[float, float, float]:
    launcher = controller(site, folder, workers=MANY).launcher
    workers = [
        WorkerLaunch(worker=i, instance=f"i{i}", name=f"crew-bench-i{i}", argv=("true",))
        for i in range(1, MANY + 1)
    ]
    request = LaunchRequest(launcher=site.launcher, workers=tuple(workers))
    for host in bed.hosts():
        bed.drain(host)
    handles: list[Any] = []
    submitting = _timed(lambda: handles.extend(launcher.launch(request)))
    time.sleep(_FIRST_LOOK_SECONDS)
    looking = _timed(lambda: launcher.poll(handles))
    ending = _timed(lambda: launcher.terminate(handles))
    for host in bed.hosts():
        bed.restore(host)
    return submitting, looking, ending


def controller(site: Site, folder: Path, *lines: str, workers: int) -> crew.Controller:
    """A controller whose workers find the crew that runs here."""
    path = os.environ.get("PYTHONPATH")
    own = [f"export PYTHONPATH='{path}'"] if path else []
    scripts = folder / "scripts"
    return crew.controller(
        site.launcher, workers=workers, script_directory=scripts, script_lines=[*lines, *own]
    )


def _pause(noted: Path) -> None:
    """Begin at any moment of the scheduler's rounds, and with nothing going on."""
    time.sleep(1.5 + random.random())
    noted.unlink(missing_ok=True)


def _note(noted: Path) -> str:
    return f"date +%s.%N >'{noted}.new' && mv '{noted}.new' '{noted}'"


def _read(noted: Path) -> float | None:
    return float(noted.read_text(encoding="utf-8")) if noted.exists() else None


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


# ── Telling ────────────────────────────────────────────────────────────────────────────────────

_COLUMNS = (
    "its own job: submitted to started",
    "a task: pushed to worker's job started",
    "job started to result",
    "pushed to result",
    "16 workers online",
    f"{MANY:,} submitted",
    "one look at them",
    "all cancelled",
)


def page(measured: dict[str, Times], rounds: int) -> str:
    """What is published."""
    about = f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, medians of {rounds} rounds"
    lines = [
        "# Time on schedulers",
        "",
        "Written by `nox -s bench_schedulers`. Idle schedulers, in",
        "[testbeds](../../testbeds/README.md); by turns a job of one line by the scheduler's own",
        f"command, and a task for a controller without workers. Seconds; {about}.",
        "",
        f"| | {' | '.join(_COLUMNS)} |",
        "| --- " * (len(_COLUMNS) + 1) + "|",
        *(row(name, times) for name, times in measured.items()),
    ]
    return "\n".join(lines) + "\n"


def row(name: str, times: Times) -> str:
    """A line of the table."""
    median = statistics.median
    after = [result - start for start, result in zip(times.start, times.result, strict=True)]
    figures = [median(times.own), median(times.start), median(after), median(times.result)]
    figures += [times.all_there, times.many, times.look, times.end]
    return f"| {name} | " + " | ".join(f"{figure:.2f}" for figure in figures) + " |"


if __name__ == "__main__":
    sys.exit(main())
