"""Where in CloudWatch a job's output is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crew_aws_batch._aws.states import log_streams


@dataclass(frozen=True)
class Place:
    """The output of one attempt of a job.

    Attributes:
        group: the log group.
        stream: the log stream.
        job: the job's id.
        attempt: the number of the attempt, from 1.
    """

    group: str
    stream: str
    job: str
    attempt: int


def places_of(detail: Mapping[str, Any], log_group: str) -> list[Place]:
    """Where each of its attempts has printed, oldest first; empty before any has begun.

    Args:
        detail: an item of DescribeJobs.
        log_group: the log group, unless the job says another.
    """
    container = detail.get("container") or {}
    options = (container.get("logConfiguration") or {}).get("options") or {}
    group = str(options.get("awslogs-group") or log_group)
    job = str(detail.get("jobId"))
    streams = log_streams(detail)
    return [Place(group, stream, job, number) for number, stream in enumerate(streams, start=1)]


def kept_elsewhere(detail: Mapping[str, Any]) -> str | None:
    """The log driver that does not write to CloudWatch; None where it does."""
    container = detail.get("container") or {}
    driver = (container.get("logConfiguration") or {}).get("logDriver", "awslogs")
    return None if driver == "awslogs" else str(driver)
