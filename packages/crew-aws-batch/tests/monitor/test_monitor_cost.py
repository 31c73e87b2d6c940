"""How much jobs have used, from what AWS says of them."""

from __future__ import annotations

from typing import Any

import pytest

from crew_aws_batch._monitor.cost import row

HOUR = 3_600_000
NEEDS = [{"type": "VCPU", "value": "4"}, {"type": "MEMORY", "value": "8192"}]


def job(**told: Any) -> dict[str, Any]:
    return {"jobName": "n", "jobId": "i", "container": {"resourceRequirements": NEEDS}, **told}


def attempt(first: int, last: int) -> dict[str, int]:
    return {"startedAt": first * HOUR, "stoppedAt": last * HOUR}


def test_all_attempts_count() -> None:
    told = job(status="FAILED", attempts=[attempt(1, 2), attempt(5, 7)], startedAt=HOUR)
    found = row(told, "queue", 100 * HOUR)
    assert (found["attempts"], found["hours"]) == (2, 3)
    assert (found["vcpu_hours"], found["gb_hours"], found["gpu_hours"]) == (12, 24, 0)


def test_a_job_that_runs_counts_up_to_now() -> None:
    told = job(status="RUNNING", attempts=[attempt(1, 2)], startedAt=HOUR)
    assert row(told, "queue", 4 * HOUR)["hours"] == 3  # an hour before, and two since


def test_a_clock_that_is_behind_takes_nothing_away() -> None:
    assert row(job(status="RUNNING", startedAt=5 * HOUR), "queue", 4 * HOUR)["hours"] == 0


def test_an_attempt_that_never_ran_costs_nothing() -> None:
    told = job(status="FAILED", attempts=[{"stoppedAt": 9 * HOUR}])
    assert row(told, "queue", 10 * HOUR)["hours"] == 0


@pytest.mark.parametrize("state", ["RUNNABLE", "STARTING"])
def test_a_job_that_waits_costs_nothing(state: str) -> None:
    assert row(job(status=state), "queue", HOUR)["vcpu_hours"] == 0


def test_older_definitions_say_their_needs_otherwise() -> None:
    told = job(status="SUCCEEDED", attempts=[attempt(0, 1), attempt(1, 2)])
    told["container"] = {"vcpus": 2, "memory": 1024}
    found = row(told, "queue", 0)
    assert (found["vcpus"], found["memory_gb"]) == (2, 1)
