"""What tests see of jobs and of secrets on a bed, beside crew."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import boto3

import crew_core as crew
from testbeds.aws_batch import AwsBatchBed

LIVE = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING")


def until(is_so: Callable[[], object], what: str, seconds: float = 120.0) -> None:
    """Return as soon as something is so; fail when it is not in time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.1)


def all_jobs(bed: AwsBatchBed, controller: str) -> list[dict[str, Any]]:
    """Jobs of a controller, arrays as one, oldest first."""
    filters = [{"name": "JOB_NAME", "values": [f"crew-{controller}-*"]}]
    answer = bed.ask_batch("ListJobs", {"jobQueue": bed.queue, "filters": filters})
    return sorted(answer["jobSummaryList"], key=lambda job: job["createdAt"])


def live_jobs(bed: AwsBatchBed, controller: str) -> list[str]:
    """Those that wait or run."""
    return [job["jobId"] for job in all_jobs(bed, controller) if job["status"] in LIVE]


def workers_of(bed: AwsBatchBed, controller: str) -> list[str]:
    """AWS's names of its workers' jobs that wait or run, however many were submitted together.

    An array counts as long as one of its children does.
    """
    return [
        name
        for job in all_jobs(bed, controller)
        if job["status"] in LIVE
        for name in _elements(job)
    ]


def _elements(job: dict[str, Any]) -> list[str]:
    size = (job.get("arrayProperties") or {}).get("size")
    return [f"{job['jobId']}:{index}" for index in range(size)] if size else [job["jobId"]]


def jobs_left(bed: AwsBatchBed, controller: str) -> list[str]:
    """Those that still wait or run some time after their controller's end."""
    deadline = time.monotonic() + 90
    while (live := live_jobs(bed, controller)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return live


def secrets_left(controller: str) -> list[str]:
    """What is in the store of secrets for workers of a controller."""
    found = boto3.client("secretsmanager").list_secrets()["SecretList"]
    return [entry["Name"] for entry in found if f"crew-{controller}-" in entry["Name"]]


def memory_of(bed: AwsBatchBed, job: str) -> int:
    """What a job was submitted with, in MiB."""
    needs = bed.describe(job)["container"]["resourceRequirements"]
    return next(int(need["value"]) for need in needs if need["type"] == "MEMORY")


def runs(bed: AwsBatchBed, controller: crew.Controller) -> str:
    """Wait until a task runs; AWS's name of its worker's job."""
    found: list[str] = []

    def is_assigned() -> bool:
        table = controller.launcher.summary()
        busy = (table["state"] == "online") & (table["assigned"] > table["complete"])
        # A worker may be quicker than the answer that names its job.
        found[:] = table.loc[busy, "job"].dropna()
        return bool(found)

    until(is_assigned, "the task runs")
    (job,) = found
    return job
