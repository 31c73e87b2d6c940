"""What crew wants to reach, as ratios within one run, and whether it does. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.figures import Contest
from benchmarks.plan import CONTENDERS, CREW, FLOOR, POOL


@dataclass(frozen=True)
class Target:
    """One aim.

    Attributes:
        title: what is asked for.
        measured: takes what was measured to the number that is asked about, if it is there.
        limit: what that may be at most, or must be at least.
        at_least: which of both.
        shown: how the number is written.
    """

    title: str
    measured: Callable[[Contest], float | None]
    limit: float
    at_least: bool = False
    shown: str = "{:.2f} times"

    def met(self, value: float) -> bool:
        """True when a number is good enough."""
        return value >= self.limit if self.at_least else value <= self.limit


def speedup(figure: str, other: str) -> Callable[[Contest], float | None]:
    """How many times as fast as another crew is."""

    def measured(contest: Contest) -> float | None:
        ratio = contest.ratio(CREW, other, figure)
        return 1 / ratio if ratio else None

    return measured


def slowdown(figure: str, other: str) -> Callable[[Contest], float | None]:
    """How many times as much as another crew takes."""
    return lambda contest: contest.ratio(CREW, other, figure)


def speedup_over_best(figure: str) -> Callable[[Contest], float | None]:
    """How many times as fast as the fastest peer crew is."""

    def measured(contest: Contest) -> float | None:
        peers = [one.name for one in CONTENDERS if one.name not in (CREW, FLOOR)]
        found = [value for peer in peers if (value := speedup(figure, peer)(contest)) is not None]
        return min(found, default=None)

    return measured


def growth(contest: Contest) -> float | None:
    """How many times the cost of a task among ten thousand one among a million has."""
    many, few = contest.median(CREW, "bulk/1000000"), contest.median(CREW, "bulk/10000")
    return (many / 1_000_000) / (few / 10_000) if many and few else None


def own(figure: str) -> Callable[[Contest], float | None]:
    """A figure of crew as it is."""
    return lambda contest: contest.median(CREW, figure)


TARGETS = (
    Target(
        "`map`, 10k no-ops: at least 15 times the pool's", speedup("bulk/10000", POOL), 15, True
    ),
    Target("the same: not below the fastest peer", speedup_over_best("bulk/10000"), 1, True),
    Target(
        "separate pushes, 10k: at least 5 times the pool's", speedup("submit/10000", POOL), 5, True
    ),
    Target("round trip, p50: below the pool's", slowdown("round_trip/p50", POOL), 1),
    Target(
        "100 MB out and back: at least 4 times Ray's speed", speedup("echo/100", "ray"), 4, True
    ),
    Target("the same: within 2 times of two warm copies", slowdown("echo/100", FLOOR), 2),
    Target("a task of 1M: within 1.3 times of one of 10k", growth, 1.3),
    Target(
        "a queued task: at most 1 kB in the client", own("queued/client"), 1024, shown="{:.0f} B"
    ),
    Target("cold start: at most 3 times bare imports", slowdown("cold/1", FLOOR), 3),
    Target("idle: below 0.5 % of one core", own("idle"), 0.005, shown="{:.2%}"),
    Target("5,000 connections: half the rate of two", own("swarm/ratio"), 0.5, True),
    Target(
        "the same: under 20 kB of the dispatcher's memory for each",
        own("swarm/dispatcher_bytes_per_worker"),
        20_000,
        shown="{:.0f} B",
    ),
    Target(
        "2,000 tasks of 5 ms: at least 97 % of bare processes",
        speedup("busy/2000", FLOOR),
        0.97,
        True,
    ),
    Target("1 ms and 2 s tasks together: within 1.1 times of the ideal", own("mixed/1000"), 1.1),
)
