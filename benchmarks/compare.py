"""Judges whether crew has become slower, by ratios to the process pool of the same run. Pure.

A ratio of times is fair only while crew and the pool get the cores that they ask for: where many
programs want them, whoever has more processes waits more often. So on a busy machine only processor
time is judged, and the rest is shown.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from benchmarks.catalog import FIGURES, share, shown
from benchmarks.figures import Contest
from benchmarks.plan import CREW, FLOOR, POOL
from benchmarks.report import table

# Worse by more than a third: less is noise on a machine that others use as well.
ALLOWED = 4 / 3

_QUIET = 0.75
_FREE = FIGURES["busy/400"]


@dataclass(frozen=True)
class Verdict:
    """What became of one figure.

    Attributes:
        figure: its name.
        before: how many times the pool's crew's value was when figures were last committed.
        now: how many times it is now; None when there is no value.
        judged: False where a loss may be the machine's.
        lost: crew could not do it any more.
    """

    figure: str
    before: float
    now: float | None
    judged: bool = True
    lost: bool = False

    @property
    def change(self) -> float | None:
        """How many times as much as before; more is worse."""
        return None if self.now is None else self.now / self.before

    @property
    def worse(self) -> bool:
        """True when it is worse than noise explains, or not to be had any more."""
        slower = self.change is not None and self.change > ALLOWED
        return self.lost or (self.judged and slower)


def free_share(now: Contest) -> float | None:
    """What part of the cores was there for bare processes; the rest went to other programs."""
    seconds = now.median(FLOOR, _FREE.name)
    return None if seconds is None else share(_FREE, seconds)


def verdicts(now: Contest, before: Contest, works: Collection[str]) -> list[Verdict]:
    """Compare the figures of these works that were committed."""
    free = free_share(now)
    quiet = free is not None and free >= _QUIET
    found = []
    for name, figure in FIGURES.items():
        # The slowest hundredth says more about the machine than about crew.
        if figure.work not in works or name.endswith("/p99"):
            continue
        then, ratio = before.ratio(CREW, POOL, name), now.ratio(CREW, POOL, name)
        lost = ratio is None and figure.work in now.notes.get(CREW, {})
        if then:
            found.append(Verdict(name, then, ratio, quiet or figure.steady, lost))
    return found


def confirmed(first: Sequence[Verdict], second: Sequence[Verdict]) -> list[Verdict]:
    """The losses of the first time that show the second time as well."""
    again = {verdict.figure for verdict in second if verdict.worse}
    return [verdict for verdict in first if verdict.worse and verdict.figure in again]


def comparison(found: Sequence[Verdict], now: Contest) -> str:
    """A table for people."""
    head = ["figure", "crew", "pool", "crew/pool before", "now", "change", ""]
    return table(head, [_row(verdict, now) for verdict in found])


def _row(verdict: Verdict, now: Contest) -> list[str]:
    figure = FIGURES[verdict.figure]
    values = (now.median(CREW, figure.name), now.median(POOL, figure.name))
    mine, theirs = ("-" if value is None else shown(figure, value) for value in values)
    ratio = "-" if verdict.now is None else f"{verdict.now:.3g}"
    change = "-" if verdict.change is None else f"{verdict.change:.2f}x"
    remark = "WORSE" if verdict.worse else "" if verdict.judged else "not judged"
    return [figure.name, mine, theirs, f"{verdict.before:.3g}", ratio, change, remark]
