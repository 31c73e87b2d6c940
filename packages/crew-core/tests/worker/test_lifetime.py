"""When a worker leaves because its job has no more time."""

from __future__ import annotations

import math

import pytest

from crew_core._wire import messages
from crew_core._worker.leaving import Leaving
from crew_core._worker.lifetime import Lifetime, seconds_to_live

NOON = 1_800_000_000.0


@pytest.mark.parametrize(
    ("variables", "life", "seconds"),
    [
        ({}, None, math.inf),
        ({}, 3600.0, 3600.0),
        ({"SLURM_JOB_END_TIME": f"{NOON + 500:.0f}"}, None, 500.0),
        ({"SLURM_JOB_END_TIME": f"{NOON + 500:.0f}"}, 3600.0, 500.0),
        ({"SLURM_JOB_END_TIME": f"{NOON + 5000:.0f}"}, 3600.0, 3600.0),
        ({"CREW_JOB_END_TIME": f"{NOON + 5}"}, None, 5.0),
        ({"CREW_JOB_START_TIME": f"{NOON - 600:.0f}"}, 3600.0, 3000.0),
        ({"CREW_JOB_START_TIME": f"{NOON + 600:.0f}"}, 3600.0, 3600.0),
        ({"PBS_WALLTIME": "7200"}, None, 7200.0),
        ({"PBS_WALLTIME": "7200", "CREW_JOB_START_TIME": f"{NOON - 60:.0f}"}, None, 7140.0),
    ],
)
def test_the_earliest_end_that_anybody_tells_counts(
    variables: dict[str, str], life: float | None, seconds: float
) -> None:
    assert seconds_to_live(variables, life, NOON) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "-5", "0", "nan", "inf", f"{NOON - 5:.0f}"])
def test_what_cannot_be_is_no_end(text: str) -> None:
    assert seconds_to_live({"SLURM_JOB_END_TIME": text}, None, NOON) == math.inf


@pytest.mark.parametrize(("seconds", "leave", "end"), [(3600, 3570, 3595), (60, 54, 58.8)])
def test_a_worker_leaves_in_time(seconds: float, leave: float, end: float) -> None:
    lifetime = Lifetime(seconds, 100.0)
    assert (lifetime.leave_at, lifetime.end_at) == (100 + leave, 100 + end)
    assert lifetime.seconds_left(110.0) == leave - 10
    assert lifetime.seconds_left(1e9) == 0.0


def test_a_job_without_end_says_nothing() -> None:
    assert Lifetime(math.inf, 5.0).seconds_left(6.0) is None


def test_the_end_of_the_job_and_the_wall_time_make_it_leave_whichever_is_first() -> None:
    settings = messages.WorkerSettings("c", "1", seconds_wall=100.0)
    long = Leaving(settings, 0.0, Lifetime(math.inf, 0.0))
    assert (long.must(99.0), long.must(100.0), long.next_time()) == (None, "wall_time", 100.0)
    short = Leaving(settings, 0.0, Lifetime(50.0, 0.0))
    assert (short.must(44.0), short.must(45.0), short.next_time()) == (None, "wall_time", 45.0)


def test_the_jobs_end_does_not_wait_for_tasks_timers() -> None:
    settings = messages.WorkerSettings("c", "1", tasks_timers=3)
    leaving = Leaving(settings, 0.0, Lifetime(50.0, 0.0))
    assert (leaving.must(45.0), leaving.next_time()) == ("wall_time", 45.0)
