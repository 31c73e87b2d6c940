"""Jobs as AWS Batch describes them, in ListJobs and in DescribeJobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from testbeds.aws_batch.job import FINAL, Job
from testbeds.aws_batch.moto import ACCOUNT, REGION

STATES = ("SUBMITTED", "PENDING", "RUNNABLE", "STARTING", "RUNNING", "SUCCEEDED", "FAILED")


class Array:
    """A job of several: its children run, it only counts them.

    Args:
        children: in order of their index.
    """

    def __init__(self, children: Sequence[Job], job_id: str) -> None:
        self.children = list(children)
        self.job_id = job_id
        self.is_terminated = False
        self.is_cancelled = False

    @property
    def first(self) -> Job:
        """A child: what all have in common."""
        return self.children[0]

    @property
    def state(self) -> str:
        """As documented: PENDING until all children are over, then failed if one is."""
        states = {child.state for child in self.children}
        if states <= set(FINAL):
            return "FAILED" if "FAILED" in states else "SUCCEEDED"
        return "SUBMITTED" if states == {"SUBMITTED"} else "PENDING"

    def halt(self, kind: str, reason: str) -> None:
        """End its children."""
        self.is_terminated |= kind == "terminated"
        self.is_cancelled |= kind == "cancelled"
        for child in self.children:
            child.halt(kind, reason)


AnyJob = Job | Array


def arn(job_id: str) -> str:
    """The name of a job all over AWS."""
    return f"arn:aws:batch:{REGION}:{ACCOUNT}:job/{job_id}"


def summary(job: AnyJob) -> dict[str, Any]:
    """As ListJobs has it."""
    one = job.first if isinstance(job, Array) else job
    told: dict[str, Any] = {
        "jobArn": arn(job.job_id),
        "jobId": job.job_id,
        "jobName": one.request["jobName"],
        "createdAt": one.created,
        "status": job.state,
        "jobDefinition": one.definition["jobDefinitionArn"],
    }
    if isinstance(job, Array):
        told["arrayProperties"] = {"size": len(job.children)}
        told |= _array_times(job)
        return told
    if job.index is not None:
        told["arrayProperties"] = {"index": job.index}
    for name, value in (
        ("statusReason", job.status_reason),
        ("startedAt", job.started),
        ("stoppedAt", job.stopped),
    ):
        if value is not None:
            told[name] = value
    seen = {name: job.container[name] for name in ("exitCode", "reason") if name in job.container}
    if seen:
        told["container"] = seen
    return told


def detail(job: AnyJob) -> dict[str, Any]:
    """As DescribeJobs has it."""
    one = job.first if isinstance(job, Array) else job
    definition = one.definition
    told: dict[str, Any] = {
        **{name: value for name, value in summary(job).items() if name != "container"},
        "jobQueue": one.queue["jobQueueArn"],
        "dependsOn": one.request.get("dependsOn", []),
        "parameters": {**definition.get("parameters", {}), **one.request.get("parameters", {})},
        "tags": _tags(one),
        "platformCapabilities": definition.get("platformCapabilities") or ["EC2"],
        "retryStrategy": {"evaluateOnExit": [], **one.retry},
        "isCancelled": job.is_cancelled,
        "isTerminated": job.is_terminated,
    }
    if one.seconds_limit is not None:
        told["timeout"] = {"attemptDurationSeconds": one.seconds_limit}
    if isinstance(job, Array):
        counts = Counter(child.state for child in job.children)
        told["arrayProperties"]["statusSummary"] = {state: counts[state] for state in STATES}
        told["container"] = one.properties
        told["attempts"] = []
        return told
    told["container"] = {**job.properties, **job.container}
    told["attempts"] = [dict(attempt) for attempt in job.attempts]
    return told


def _array_times(job: Array) -> dict[str, int]:
    if job.state not in FINAL:
        return {}
    started = [child.started for child in job.children if child.started is not None]
    stopped = [child.stopped for child in job.children if child.stopped is not None]
    times = {"stoppedAt": max(stopped)} if stopped else {}
    return {**times, **({"startedAt": min(started)} if started else {})}


def _tags(job: Job) -> dict[str, str]:
    return {**(job.definition.get("tags") or {}), **job.request.get("tags", {})}
