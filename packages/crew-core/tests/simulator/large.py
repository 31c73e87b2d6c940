"""The largest run that crew plans for: ten thousand workers and a million tasks, without faults."""

from __future__ import annotations

from crew_core._wire import messages
from simulator.scenario import Push, Scenario

WORKERS = 10_000
TASKS = 1_000_000
_PUSHES = 4


def large(workers: int = WORKERS, tasks: int = TASKS) -> Scenario:
    """So many workers and tasks."""
    return Scenario(
        workers=workers,
        is_local=False,
        pushes=tuple(
            Push(at=5.0 * i, count=tasks // _PUSHES, seconds=(0.01, 0.02, 0.5, 0.05)[i])
            for i in range(_PUSHES)
        ),
        settings=messages.WorkerSettings("simulated", "1", seconds_idle=5.0),
        retry=messages.RetryPolicy(),
        start_seconds=(1.0, 20.0),
        seconds_launch=120.0,
        check_every=30.0,
    )
