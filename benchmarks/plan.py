"""What is measured, with whom, in which order, and when a measurement is not worth its time. Pure.

A *sitting* is one process with one contender that does some works one after another. A round has
every contender sit once for each group of works, the contenders directly after one another, so that
what else goes on on the machine strikes all of them alike.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

WORKERS = 2
MANY_WORKERS = 100

CREW = "crew"
POOL = "pool"
FLOOR = "floor"


@dataclass(frozen=True)
class Contender:
    """Who is measured.

    Attributes:
        name: the name of its module in `contenders`.
        title: what people call it.
        requires: what pip installs for it.
        environment: whose environment it runs in, when that is not its own.
    """

    name: str
    title: str
    requires: tuple[str, ...] = ()
    environment: str | None = None

    @property
    def home(self) -> str:
        """The name of the environment that it runs in."""
        return self.environment or self.name


CONTENDERS = (
    Contender(CREW, "crew", ("-e", "packages/crew-core", "pynng")),  # which the floor imports
    Contender(POOL, "ProcessPoolExecutor"),
    Contender("mpire", "mpire", ("mpire",)),
    Contender("loky", "loky", ("loky",)),
    Contender("executorlib", "executorlib", ("executorlib",)),
    Contender("ray", "Ray", ("ray",)),
    Contender("parsl", "Parsl", ("parsl",)),
    Contender("dask", "dask.distributed", ("distributed",)),
    Contender("ipyparallel", "ipyparallel", ("ipyparallel",)),
    Contender(FLOOR, "(the floor)", environment=CREW),
)


@dataclass(frozen=True)
class Work:
    """One thing to do.

    Attributes:
        name: the name of its function in `works`.
        size: how much of it: tasks, or megabytes.
        only: who does it; empty for all but the floor.
    """

    name: str
    size: int | None = None
    only: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Its name in results and on command lines."""
        return self.name if self.size is None else f"{self.name}/{self.size}"

    def is_for(self, contender: str) -> bool:
        """True when that contender does it."""
        return contender in self.only if self.only else contender != FLOOR


@dataclass(frozen=True)
class Group:
    """Works that one sitting does.

    Attributes:
        name: what it is called on the command line.
        works: in this order, small sizes first.
        kind: "sitting": a contender is started and works; "cold": a process from its beginning to
            its first result; "script": a program of this folder that prints JSON.
        workers: how many.
        rounds: in at most so many rounds, as some would take too long for what repeating tells.
        seconds: how long a sitting may take beyond the budget of its works.
    """

    name: str
    works: tuple[Work, ...]
    kind: str = "sitting"
    workers: int = WORKERS
    rounds: int = 1000
    seconds: float = 90.0


def _with_floor(name: str, sizes: Sequence[int]) -> tuple[Work, ...]:
    everybody = tuple(contender.name for contender in CONTENDERS)
    return tuple(Work(name, size, everybody) for size in sizes)


GROUPS = (
    Group(
        "tasks",
        (
            Work("round_trip"),
            Work("submit", 1_000),
            Work("bulk", 1_000),
            Work("submit", 10_000),
            Work("bulk", 10_000),
            *_with_floor("busy", (400, 2_000)),
            Work("mixed", 1_000),
            Work("submit", 100_000),
            Work("bulk", 100_000),
        ),
    ),
    Group("cold", _with_floor("cold", (1,)), kind="cold"),
    Group(
        "arrays",
        (
            *_with_floor("echo", (1, 10, 100, 1_000)),
            *(Work("shared", size) for size in (1, 10, 100, 1_000)),
        ),
    ),
    Group("memory", (Work("memory", 10_000),), rounds=2),
    Group("million", (Work("bulk", 1_000_000, (CREW,)),), rounds=2, seconds=300.0),
    Group("fleet", (Work("life", MANY_WORKERS),), workers=MANY_WORKERS, rounds=1),
    Group("idle", (Work("idle"),), rounds=1),
    # Measures one dispatcher with thousands of connections; it has its own way to make them.
    Group("swarm", (Work("swarm", only=(CREW,)),), kind="script", rounds=1, seconds=400.0),
)

# What `--quick` looks at: works with a counterpart in the pool that are quick and steady.
QUICK = (
    "round_trip",
    "submit/10000",
    "bulk/10000",
    "busy/400",
    "cold/1",
    "echo/10",
    "echo/100",
)


def narrowed(groups: Sequence[Group], keys: Collection[str]) -> tuple[Group, ...]:
    """The groups with only these works, and without those that have none left."""
    kept = [
        Group(
            group.name,
            tuple(work for work in group.works if work.key in keys),
            group.kind,
            group.workers,
            group.rounds,
            group.seconds,
        )
        for group in groups
    ]
    return tuple(group for group in kept if group.works)


def turn(contenders: Sequence[Contender], round_index: int) -> list[Contender]:
    """The order of a round: each begins with another contender, every second runs backwards."""
    first = round_index % len(contenders)
    order = [*contenders[first:], *contenders[:first]]
    return order if round_index % 2 == 0 else order[::-1]


def still_to_do(group: Group, contender: str, gave_up: Collection[str]) -> list[Work]:
    """What a contender does in its next sitting: not again what it could not do before."""
    return [work for work in group.works if work.is_for(contender) and work.key not in gave_up]


def too_slow(work: Work, done: Sequence[tuple[Work, float]], budget: float) -> str:
    """Why a work is left out, judged by the seconds of its smaller sizes; or nothing."""
    smaller = sorted(
        (before.size, seconds)
        for before, seconds in done
        if before.name == work.name and before.size is not None
    )
    if work.size is None or not smaller:
        return ""
    if any(math.isinf(seconds) for _, seconds in smaller):
        return "failed at a smaller size already"
    if _expected(work.name, work.size, smaller) <= budget:
        return ""
    return f"would take longer than the {budget:.0f} s that are allowed"


def _expected(name: str, size: int, smaller: Sequence[tuple[int, float]]) -> float:
    """About how many seconds a size takes."""
    last_size, last_seconds = smaller[-1]
    if name != "shared":
        return last_seconds * size / last_size
    # Most send what is shared once, so that a thousand tasks cost more than a small array.
    if len(smaller) == 1:
        return 2 * last_seconds
    size_before, seconds_before = smaller[-2]
    slope = max(0.0, last_seconds - seconds_before) / (last_size - size_before)
    return last_seconds + slope * (size - last_size)


def seconds_allowed(group: Group, works: int, budget: float) -> float:
    """After how long a sitting is ended: its own time, and what each work may take at worst."""
    return group.seconds + works * (2 * budget + 10.0)
