"""What a seed decides: how much work there is, for whom, and what goes wrong."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from random import Random

from crew_core._wire import messages


class Mishap(enum.Enum):
    """What goes wrong with launches."""

    REJECTED = enum.auto()
    PENDING_FOR_EVER = enum.auto()
    LOST_LAUNCH = enum.auto()
    DIES_IN_QUEUE = enum.auto()
    LATE_LAUNCH = enum.auto()
    DUPLICATE_LAUNCH = enum.auto()
    RUN_AGAIN = enum.auto()


class Fault(enum.Enum):
    """What strikes running processes and what connects them."""

    KILL = enum.auto()  # a worker, all its processes
    POWER_FAILURE = enum.auto()  # and nobody closes its connection
    KILL_BEFORE_TASK = enum.auto()
    KILL_WHILE_TASK = enum.auto()
    KILL_AFTER_TASK = enum.auto()
    KILL_TASK_PROCESS = enum.auto()
    TERMINATE = enum.auto()  # the platform wants a worker's place
    FREEZE_WORKER = enum.auto()
    FREEZE_DISPATCHER = enum.auto()
    CUT = enum.auto()
    CUT_ALL = enum.auto()
    RESET = enum.auto()
    CLIENT_STOPS_READING = enum.auto()
    CLOCK_JUMP = enum.auto()


NETWORK_ONLY = frozenset({Fault.CUT, Fault.CUT_ALL, Fault.RESET, Fault.POWER_FAILURE})
"""On one computer nothing cuts a connection but the end of one of its ends."""


_FEW_TASKS = 30  # after each event all can be compared
_ENDLESS = (float("inf"),)

OBJECT_BYTES = 1000
"""What each object is said to take."""


@dataclass(frozen=True)
class Push:
    """Tasks that come at one time, alike in all but what they do."""

    at: float
    count: int
    seconds: float
    kinds: tuple[float, ...] = (1.0,)  # how many are of which kind
    one_by_one: bool = False
    priority: int = 0
    seconds_timeout: float | None = None
    seconds_queue: float | None = None
    seconds_expected: float | None = None
    cancelled: float = 0.0  # how many of them
    objects: int = 0  # that were put, and that each of them uses


@dataclass(frozen=True)
class Scenario:
    """A run, before it begins.

    Attributes:
        workers: the cap.
        is_local: workers are on the dispatcher's computer.
        pushes: the work.
        settings: what workers are told.
        retry: when a crashed task is tried again.
        seconds_faults: for how long things go wrong.
        faults: how many of each a second.
        mishaps: how often each befalls a launch.
    """

    workers: int
    is_local: bool
    pushes: tuple[Push, ...]
    settings: messages.WorkerSettings
    retry: messages.RetryPolicy
    faults: dict[Fault, float] = field(default_factory=dict)
    mishaps: dict[Mishap, float] = field(default_factory=dict)
    seconds_faults: float = 0.0
    seconds_heartbeat: float = 30.0
    seconds_interval: float = 0.25
    seconds_launch: float = 30.0
    launch_max: int = 5
    pending_max: float = float("inf")
    budgets: tuple[float, ...] = ()  # worker-seconds: at first, and what is added each time
    budget_pause: float = 0.0  # before more is allowed
    in_background: bool = False
    gathers: bool = False
    start_seconds: tuple[float, float] = (0.05, 0.3)
    platform_seconds: tuple[float, float] = (0.001, 0.05)
    wire_seconds: tuple[float, float] = (0.00005, 0.002)
    doubled: float = 0.0
    unsure: float = 0.0
    object_bytes: int = 1 << 30  # that a worker has room for
    warm_ups: tuple[float, ...] = ()  # when each is asked for
    client_dies_at: float | None = None
    lives: tuple[float, ...] = _ENDLESS  # of workers of each step
    told: float = 0.0  # of how many deaths the platform knows the cause
    check_every: float = 0.5  # virtual seconds between complete checks


def draw(seed: int) -> Scenario:
    """The scenario of a seed. Each is about few things, so that few faults do not hide others."""
    random = Random(f"scenario {seed}")
    is_local = random.random() < 0.4
    faults = {
        fault: random.choice((0.05, 0.2, 1.0))
        for fault in Fault
        if random.random() < 0.25 and not (is_local and fault in NETWORK_ONLY)
    }
    mishaps = {m: random.choice((0.05, 0.2, 0.5)) for m in Mishap if random.random() < 0.2}
    settings = _settings(random)
    pushes = tuple(_push(random, settings) for _ in range(random.choice((1, 1, 2, 4, 8))))
    platform_seconds = random.choice(((0.001, 0.01), (0.01, 1.0), (1.0, 15.0)))
    start_seconds = random.choice(((0.02, 0.05), (0.05, 0.5), (0.5, 6.0)))
    are_few = sum(push.count for push in pushes) <= _FEW_TASKS
    return Scenario(
        workers=random.choice((1, 1, 2, 3, 5, 8, 13)),
        is_local=is_local,
        pushes=pushes,
        settings=settings,
        retry=messages.RetryPolicy(
            retry_tasks=random.random() < 0.85,
            crashes_max=random.choice((0, 1, 2, 5, 5, 5)),
            backup=random.random() < 0.1,
        ),
        faults=faults,
        mishaps=mishaps,
        seconds_faults=random.choice((0.5, 5.0, 30.0)),
        seconds_heartbeat=settings.seconds_heartbeat,
        seconds_interval=random.choice((0.05, 0.25, 1.0)),
        # Who gives launches up before they can have come will never have a worker.
        seconds_launch=max(
            random.choice((2.0, 10.0, 30.0)), 2 * platform_seconds[1] + start_seconds[1]
        ),
        launch_max=random.choice((2, 5, 50)),
        in_background=random.random() < 0.5,
        gathers=random.random() < 0.2,
        start_seconds=start_seconds,
        platform_seconds=platform_seconds,
        wire_seconds=random.choice(((0.00002, 0.0002), (0.0005, 0.02), (0.01, 0.5))),
        doubled=random.choice((0.0, 0.0, 0.02)),
        unsure=random.choice((0.0, 0.2, 1.0)),
        object_bytes=random.choice((OBJECT_BYTES, 4 * OBJECT_BYTES, 1 << 30)),
        warm_ups=tuple(
            random.choice((0.0, random.uniform(0.0, 5.0)))
            for _ in range(random.choice((0, 0, 0, 1, 2)))
        ),
        pending_max=random.choice((float("inf"), float("inf"), 1, 3)),
        budgets=_budgets(random),
        budget_pause=random.choice((0.01, 1.0, 20.0)),
        client_dies_at=random.uniform(0.1, 20.0) if random.random() < 0.1 else None,
        check_every=0.0 if are_few else 0.5,
        lives=random.choice((_ENDLESS, _ENDLESS, _ENDLESS * 3, (6.0, 60.0), (5.0, 5.0, 40.0))),
        told=random.choice((0.0, 0.0, 0.5, 1.0)),
    )


def _budgets(random: Random) -> tuple[float, ...]:
    if random.random() < 0.8:
        return ()
    return tuple(random.choice((0.1, 1.0, 10.0)) for _ in range(random.choice((1, 2, 4))))


def _settings(random: Random) -> messages.WorkerSettings:
    wall = random.choice((float("inf"), float("inf"), 3.0, 20.0))
    return messages.WorkerSettings(
        controller="simulated",
        root_seed="1",
        seconds_idle=random.choice((0.05, 1.0, 10.0, 300.0)),
        seconds_wall=wall,
        tasks_max=random.choice((float("inf"), float("inf"), 1, 3, 20)),
        tasks_timers=random.choice((0, 0, 1, 3)),
        seconds_heartbeat=random.choice((30.0, 30.0, 6.0)),
    )


def _push(random: Random, settings: messages.WorkerSettings) -> Push:
    seconds = random.choice((0.0, 0.0005, 0.005, 0.05, 0.5, 3.0))
    count = random.choice((1, 3, 20, 100)) if seconds > 0.1 else random.choice((1, 10, 100, 400))
    expected = min(seconds, settings.seconds_wall) if random.random() < 0.1 else None
    strange = random.random() < 0.3
    timeout = random.choice((None, 0.2, 2.0))
    hangs = 0.05 if strange and timeout is not None else 0.0
    return Push(
        at=random.choice((0.0, 0.0, random.uniform(0.0, 10.0), random.uniform(0.0, 30.0))),
        count=count,
        seconds=seconds,
        kinds=(1.0, 0.05, 0.02, 0.05, hangs, hangs) if strange else (1.0,),
        one_by_one=random.random() < 0.3,
        priority=random.choice((0, 0, 0, 5, -3)),
        seconds_timeout=timeout,
        seconds_queue=random.choice((None, None, None, 0.5, 5.0)),
        seconds_expected=expected,
        cancelled=random.choice((0.0, 0.0, 0.1, 1.0)),
        objects=random.choice((0, 0, 0, 1, 3)),
    )
