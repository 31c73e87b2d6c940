"""Fetches the end of what a job printed, from CloudWatch."""

from __future__ import annotations

from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._aws.describe import describe
from crew_aws_batch._aws.errors import AwsError
from crew_aws_batch._aws.streams import places_of

LOG_GROUP = "/aws/batch/job"
"""Where AWS Batch writes unless the job definition says otherwise."""


_NO_STREAM = "ResourceNotFoundException"


def latest(clients: Clients, job: str, group: str, lines: int = 200) -> str | None:
    """The last lines of what a job's latest attempt printed; None when nothing is kept of it.

    Args:
        clients: how to ask.
        job: AWS's name of it, such as "id" or "id:4".
        group: the log group, unless the job says another.
        lines: how many, at most.

    Raises:
        AwsError: AWS did not answer.
    """
    details = describe(clients, [job])
    places = [place for detail in details.values() for place in places_of(detail, group)]
    if not places:
        return None
    try:
        answer = clients.call(
            "logs",
            "get_log_events",
            logGroupName=places[-1].group,
            logStreamName=places[-1].stream,
            startFromHead=False,
            limit=lines,
        )
    except AwsError as error:
        if error.code == _NO_STREAM:  # it has printed nothing yet
            return None
        raise
    return "".join(f"{event.get('message', '')}\n" for event in answer.get("events", ()))
