"""Lists jobs over queues, states and arrays: AWS gives one queue and one state at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._aws.describe import children
from crew_aws_batch._aws.states import ACTIVE, INACTIVE, RAW
from crew_aws_batch._monitor.options import MonitorOptions
from crew_aws_batch._monitor.rows import queue_name

Listed = tuple[str, dict[str, Any]]
"""The name of a queue, and an item of ListJobs."""


class Listing:
    """The jobs that a monitor is about.

    Args:
        clients: how to ask.
        options: which queues, and which definition.
    """

    def __init__(self, clients: Clients, options: MonitorOptions) -> None:
        self._clients = clients
        self._options = options

    def queues(self) -> Sequence[str]:
        """The queues' names.

        Raises:
            AwsError: AWS did not answer.
        """
        if self._options.queues is not None:
            return self._options.queues
        found = self._clients.pages("batch", "describe_job_queues", "jobQueues")
        return sorted(str(one["jobQueueName"]) for one in found)

    def jobs(self, states: Collection[str]) -> Iterator[Listed]:
        """The jobs in one of these states: plain ones, and each of an array by itself.

        Raises:
            AwsError: AWS did not answer.
        """
        for queue, job in self.submissions(states):
            if not is_array(job):
                if job["status"] in states:
                    yield queue, job
                continue
            is_over = job["status"] in INACTIVE
            possible = [one for one in RAW if one in states and (one in INACTIVE or not is_over)]
            for child in children(self._clients, str(job["jobId"]), possible):
                yield queue, child

    def submissions(self, states: Collection[str]) -> Iterator[Listed]:
        """Plain jobs, and arrays as a whole, that may be or hold jobs in one of these states.

        Raises:
            AwsError: AWS did not answer.
        """
        for name in self.queues():
            queue = queue_name(name)
            seen = set()
            for job in self._of_queue(name, _of_submissions(states)):
                if job["jobId"] not in seen:  # it may have gone on between two questions
                    seen.add(job["jobId"])
                    yield queue, job

    def _of_queue(self, queue: str, states: Sequence[str]) -> Iterator[dict[str, Any]]:
        asked = {"service": "batch", "operation": "list_jobs", "key": "jobSummaryList"}
        if self._options.job_definition is None:
            for state in states:
                yield from self._clients.pages(**asked, jobQueue=queue, jobStatus=state)
            return
        # With a filter AWS gives jobs of every state.
        filters = [{"name": "JOB_DEFINITION", "values": [_filtered(self._options.job_definition)]}]
        for job in self._clients.pages(**asked, jobQueue=queue, filters=filters):
            if job["status"] in states:
                yield job


def is_array(job: dict[str, Any]) -> bool:
    """True for an array as a whole."""
    return "size" in (job.get("arrayProperties") or {})


def _of_submissions(states: Collection[str]) -> Sequence[str]:
    """The states of whatever may hold jobs in these ones.

    An array is pending while it has jobs that run, and failed if one of them is.
    """
    if set(states) & set(INACTIVE):
        return RAW
    return ACTIVE


def _filtered(definition: str) -> str:
    """AWS filters by a definition's name, which an asterisk may end, or by a revision's ARN."""
    if definition.startswith("arn:"):
        return definition
    return definition.partition(":")[0]
