"""The command line: ``python -m simulator``, which ``nox -s simulate`` runs."""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from simulator.large import large
from simulator.run import Report, run, run_seed
from simulator.scenario import draw

REPLAY = "nox -s simulate -- --seed"
_TOLD_EVERY = 1000
_CHUNK = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks; the number of failures, at most 1."""
    options = _options(arguments)
    if options.seed is not None:
        return _replay(options.seed)
    if options.large:
        return _run_large()
    first, stop = options.seeds
    return _run_all(range(first, stop), options.processes)


def _run_all(seeds: range, processes: int) -> int:
    began = time.monotonic()
    failures = 0
    fates: Counter[str] = Counter()
    events = launches = 0
    for number, report in enumerate(_reports(seeds, processes), 1):
        fates.update(report.fates)
        events += report.events
        launches += report.launches
        if report.failure is not None:
            failures += 1
            print(f"seed {report.seed}: {shown(report)}\n    {REPLAY} {report.seed}", flush=True)
        if number % _TOLD_EVERY == 0:
            print(
                f"{number} seeds, {failures} failed, {time.monotonic() - began:.0f} s", flush=True
            )
    ended = ", ".join(f"{count} {fate}" for fate, count in sorted(fates.items()))
    print(
        f"{len(seeds)} seeds, {failures} failed; {launches} launches, {events} events, "
        f"tasks: {ended}; {time.monotonic() - began:.0f} s"
    )
    return min(failures, 1)


def _reports(seeds: Iterable[int], processes: int) -> Iterator[Report]:
    if processes == 1:
        yield from map(run_seed, seeds)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(run_seed, seeds, chunksize=_CHUNK)


def _replay(seed: int) -> int:
    print(draw(seed))
    report = run_seed(seed, print)
    if report.failure is None:
        print(f"seed {seed}: nothing is wrong; {report.fates}")
        return 0
    traceback.print_exception(report.failure)
    return 1


def _run_large() -> int:
    scenario = large()
    began = time.monotonic()
    report = run(1, scenario)
    seconds = time.monotonic() - began
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{scenario.workers} workers, {sum(report.fates.values())} tasks: {shown(report)}; "
        f"{seconds:.0f} s for {report.seconds:.0f} virtual ones, {report.events} events, "
        f"{megabytes:.0f} MB"
    )
    return 0 if report.failure is None else 1


def shown(report: Report) -> str:
    """What was wrong, in a line."""
    error = report.failure
    return "nothing is wrong" if error is None else f"{type(error).__name__}: {error}"


def _range(text: str) -> tuple[int, int]:
    first, _, stop = text.partition(":")
    return int(first), int(stop)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="nox -s simulate --", description="Run crew under a virtual clock, with faults."
    )
    parser.add_argument(
        "--seeds", type=_range, default=(0, 10_000), help="A:B, from A up to B (default: 0:10000)"
    )
    parser.add_argument("--seed", type=int, help="run this one, and tell all that happens")
    parser.add_argument(
        "--large", action="store_true", help="10,000 workers and a million tasks, without faults"
    )
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="how many at once"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
