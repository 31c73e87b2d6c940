"""The gate, in under two minutes: crew beside the pool, compared with the committed figures."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

from benchmarks.catalog import FIGURES
from benchmarks.compare import Verdict, comparison, settled, verdicts
from benchmarks.figures import Contest
from benchmarks.plan import CONTENDERS, CREW, GROUPS, POOL, QUICK, narrowed
from benchmarks.runner import Runner

_ROUNDS = 3
_BUDGET = 8.0
_SECONDS_FIRST = 75.0  # no sitting begins later
_SECONDS_ALL = 105.0


def gate(committed: Path) -> int:
    """Measure, compare, tell; 1 when something has become worse by more than a third."""
    if not committed.exists():
        print(f"There is nothing to compare with: {committed.name} is missing. Run nox -s bench.")
        return 1
    before = Contest.from_json(committed.read_text(encoding="utf-8"))
    runner = _runner(QUICK)
    runner.install()
    began = time.monotonic()
    first = _measure(runner, before, QUICK, began + _SECONDS_FIRST)
    print("\n" + comparison(first, runner.contest) + "\n", flush=True)
    doubtful = {work for verdict in first if verdict.worse if (work := _work_of(verdict))}
    if not doubtful:
        return 0
    print(f"measuring again: {', '.join(sorted(doubtful))}", flush=True)
    again = _runner(doubtful)
    again.install()
    second = _measure(again, before, doubtful, began + _SECONDS_ALL)
    worse = [verdict for verdict in settled(first, second) if verdict.worse]
    print("\n" + comparison(second, again.contest) + "\n", flush=True)
    for verdict in worse:
        print(f"WORSE by more than a third, twice: {verdict.figure}")
    return 1 if worse else 0


def _runner(works: Collection[str]) -> Runner:
    contenders = [contender for contender in CONTENDERS if contender.name in (CREW, POOL)]
    return Runner(contenders, narrowed(GROUPS, works), _BUDGET, 0.0)


def _measure(
    runner: Runner, before: Contest, works: Collection[str], deadline: float
) -> list[Verdict]:
    runner.deadline = deadline
    runner.rounds(0, _ROUNDS)
    return verdicts(runner.contest, before, works)


def _work_of(verdict: Verdict) -> str:
    return FIGURES[verdict.figure].work
