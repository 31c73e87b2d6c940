"""Judges whether crew has become slower, by ratios to the process pool of the same run. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from benchmarks.catalog import FIGURES, shown
from benchmarks.figures import Contest
from benchmarks.plan import CREW, POOL
from benchmarks.report import table

# Worse by more than a third: less is noise on a machine that others use as well.
ALLOWED = 4 / 3


@dataclass(frozen=True)
class Verdict:
    """What became of one figure.

    Attributes:
        figure: its name.
        before: how many times the pool's crew's value was when figures were last committed.
        now: how many times it is now; None when crew gave no value.
    """

    figure: str
    before: float
    now: float | None

    @property
    def change(self) -> float | None:
        """How many times as much as before; more is worse."""
        return None if self.now is None else self.now / self.before

    @property
    def worse(self) -> bool:
        """True when it is worse than noise explains, or not to be had any more."""
        return self.change is None or self.change > ALLOWED


def verdicts(now: Contest, before: Contest, works: Collection[str]) -> list[Verdict]:
    """Compare the figures of these works that were committed."""
    found = []
    for name, figure in FIGURES.items():
        # The slowest hundredth says more about the machine than about crew.
        if figure.work not in works or name.endswith("/p99"):
            continue
        then = before.ratio(CREW, POOL, name)
        if then:
            found.append(Verdict(name, then, now.ratio(CREW, POOL, name)))
    return found


def settled(first: Sequence[Verdict], second: Sequence[Verdict]) -> list[Verdict]:
    """For what was measured twice the better one: a loss counts when it shows both times."""
    again = {verdict.figure: verdict for verdict in second}
    return [
        min(
            verdict,
            again.get(verdict.figure, verdict),
            key=lambda one: (one.worse, one.change or 0),
        )
        for verdict in first
    ]


def comparison(found: Sequence[Verdict], now: Contest) -> str:
    """A table for people."""
    rows = []
    for verdict in found:
        figure = FIGURES[verdict.figure]
        mine, theirs = now.median(CREW, verdict.figure), now.median(POOL, verdict.figure)
        rows.append(
            [
                verdict.figure,
                "-" if mine is None else shown(figure, mine),
                "-" if theirs is None else shown(figure, theirs),
                f"{verdict.before:.3g}",
                "-" if verdict.now is None else f"{verdict.now:.3g}",
                "gone" if verdict.change is None else f"{verdict.change:.2f}x",
                "WORSE" if verdict.worse else "",
            ]
        )
    head = ["figure", "crew", "pool", "crew/pool before", "now", "change", ""]
    return table(head, rows)
