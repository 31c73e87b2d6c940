"""Asks AWS Batch about jobs, many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from crew_aws_batch._aws.clients import Clients

AT_ONCE = 100
"""So many jobs DescribeJobs takes."""


def describe(clients: Clients, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What DescribeJobs says of these jobs, by their names; it leaves out those it does not know.

    Args:
        clients: how to ask.
        names: of jobs and of children of arrays: "id", "id:4".

    Raises:
        AwsError: AWS did not answer.
    """
    wanted = list(dict.fromkeys(names))
    found: dict[str, dict[str, Any]] = {}
    for first in range(0, len(wanted), AT_ONCE):
        jobs = wanted[first : first + AT_ONCE]
        answer = clients.call("batch", "describe_jobs", jobs=jobs)
        found.update((detail["jobId"], detail) for detail in answer.get("jobs", ()))
    return found


def listed(clients: Clients, queue: str, prefix: str) -> Iterator[dict[str, Any]]:
    """The jobs of a queue, of any state, whose names begin like this; newest first.

    Args:
        clients: how to ask.
        queue: the queue.
        prefix: of the names. Upper and lower case are not told apart.

    Raises:
        AwsError: AWS did not answer.
    """
    filters = [{"name": "JOB_NAME", "values": [f"{prefix}*"]}]
    return clients.pages(
        "batch", "list_jobs", "jobSummaryList", jobQueue=queue, filters=filters, maxResults=AT_ONCE
    )


def children(clients: Clients, job_id: str, states: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The children of an array that are in one of these states.

    Args:
        clients: how to ask.
        job_id: the array's id.
        states: AWS's words for them.

    Raises:
        AwsError: AWS did not answer.
    """
    for state in states:
        yield from clients.pages(
            "batch", "list_jobs", "jobSummaryList", arrayJobId=job_id, jobStatus=state
        )
