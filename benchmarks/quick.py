"""The gate, in under two minutes: crew beside the pool, compared with the committed figures."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path

from benchmarks.catalog import FIGURES
from benchmarks.compare import ALLOWED, comparison, confirmed, free_share, verdicts
from benchmarks.figures import Contest
from benchmarks.plan import CONTENDERS, CREW, FLOOR, GROUPS, POOL, QUICK, narrowed
from benchmarks.runner import Runner

_ROUNDS = 3
_BUDGET = 8.0
_FREE = "busy/400"  # tells how busy the machine is, so it is always measured
_SECONDS_FIRST = 70.0  # no sitting begins later
_SECONDS_ALL = 105.0


def gate(committed: Path) -> int:
    """Measure, compare, tell; 1 when something has become worse by more than a third, twice."""
    if not committed.exists():
        print(f"There is nothing to compare with: {committed.name} is missing. Run nox -s bench.")
        return 1
    before = Contest.from_json(committed.read_text(encoding="utf-8"))
    runners = [_runner(QUICK)]
    runners[0].install()
    began = time.monotonic()
    now = _measured(runners[0], began + _SECONDS_FIRST)
    first = verdicts(now, before, QUICK)
    print(f"\n{comparison(first, now)}\n{_how_busy(now)}\n", flush=True)
    doubtful = {FIGURES[verdict.figure].work for verdict in first if verdict.worse}
    if not doubtful:
        return 0
    print(f"measuring again: {', '.join(sorted(doubtful))}", flush=True)
    again = _runner({*doubtful, _FREE})
    again.install()
    now = _measured(again, began + _SECONDS_ALL)
    second = verdicts(now, before, doubtful)
    print(f"\n{comparison(second, now)}\n{_how_busy(now)}\n", flush=True)
    worse = confirmed(first, second)
    for verdict in worse:
        print(f"WORSE by more than {ALLOWED - 1:.0%}, twice: {verdict.figure}")
    return 1 if worse else 0


def _runner(works: Collection[str]) -> Runner:
    contenders = [one for one in CONTENDERS if one.name in (CREW, POOL, FLOOR)]
    return Runner(contenders, narrowed(GROUPS, works), _BUDGET, 0.0)


def _measured(runner: Runner, deadline: float) -> Contest:
    runner.deadline = deadline
    runner.rounds(0, _ROUNDS)
    return runner.contest


def _how_busy(now: Contest) -> str:
    free = free_share(now)
    if free is None:
        return "How busy the machine was is not known: times are not judged."
    return f"Other programs left {free:.0%} of the cores; below 75 % times are not judged."
