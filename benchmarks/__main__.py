"""The command line: `python -m benchmarks`, which `nox -s bench` runs. README.md explains it."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType

import psutil

from benchmarks.environments import PLOT, ROOT, NotInstalledError, python_of
from benchmarks.figures import Contest
from benchmarks.plan import CONTENDERS, FLOOR, GROUPS, POOL, narrowed
from benchmarks.quick import gate
from benchmarks.report import page
from benchmarks.runner import Runner

_PUBLISHED = ROOT / "docs" / "benchmarks"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; return the exit code."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, _leave)
    if options.quick:
        return gate(_PUBLISHED / "latest.json")
    chosen = {*options.contenders, POOL, FLOOR}
    contenders = [one for one in CONTENDERS if one.name in chosen]
    groups = [group for group in GROUPS if group.name in options.groups]
    if options.works:
        groups = list(narrowed(groups, options.works))
    runner = Runner(contenders, groups, options.budget, 0.0)
    runner.contest.about = _about(options)
    runner.install()
    runner.deadline = time.monotonic() + 60 * options.minutes
    try:
        runner.rounds(0, options.rounds)
    finally:  # an interrupted run is worth looking at as well
        _write(runner.contest, options.out)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [one.name for one in CONTENDERS]
    groups = [group.name for group in GROUPS]
    parser = argparse.ArgumentParser(
        prog="nox -s bench --", description="Measure crew and its peers."
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="crew and the pool alone, compared with docs/benchmarks",
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--budget", type=float, default=10.0, help="seconds that one measurement may take, about"
    )
    parser.add_argument(
        "--minutes", type=float, default=90.0, help="after so many no further sitting begins"
    )
    parser.add_argument("--contenders", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--groups", nargs="+", choices=groups, default=groups, metavar="NAME")
    parser.add_argument("--works", nargs="+", metavar="KEY", help="such as bulk/10000")
    parser.add_argument(
        "--out", type=Path, help="folder to write to; a run of everything goes to docs/benchmarks"
    )
    options = parser.parse_args(arguments)
    if options.out is None:
        everything = options.contenders == names and options.groups == groups and not options.works
        options.out = _PUBLISHED if everything else ROOT / ".nox" / "benchmarks" / "part"
    return options


def _leave(signum: int, _frame: FrameType | None) -> None:
    """Turn a signal into an exception, so that every `finally` is run."""
    sys.exit(128 + signum)


def _about(options: argparse.Namespace) -> dict[str, str | int | float]:
    """What a reader of figures must know about where they come from."""
    memory = psutil.virtual_memory().total / 2**30
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return {
        "measured": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "machine": f"{os.cpu_count()} cores of {_processor()}, {memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "rounds": options.rounds,
        "seconds per measurement": options.budget,
        "load at the start": round(load, 1),
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def _write(contest: Contest, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    figures = folder / "latest.json"
    figures.write_text(contest.to_json(), encoding="utf-8")
    picture = _plot(figures, folder / "latest.svg")
    (folder / "latest.md").write_text(page(contest, picture), encoding="utf-8")
    print(f"written: {folder}", flush=True)


def _plot(figures: Path, picture: Path) -> str | None:
    try:
        command = [str(python_of(PLOT)), "-m", "benchmarks.plot", str(figures), str(picture)]
    except NotInstalledError as error:
        print(f"no plot, as matplotlib {error}", file=sys.stderr)
        return None
    done = subprocess.run(command, cwd=ROOT, check=False)
    return picture.name if done.returncode == 0 else None


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
