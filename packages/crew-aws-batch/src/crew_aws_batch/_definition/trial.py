"""Submits one job that a person asks for, to try a queue and a definition out."""

from __future__ import annotations

import math
import secrets
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._aws.names import PREFIX, job_name
from crew_aws_batch._aws.resources import GIGABYTES, requirements
from crew_aws_batch._aws.tags import job_tags
from crew_aws_batch._aws.user import user


class Trial(TypedDict, total=False):
    """What can be said of such a job; what is not is as the job definition says.

    Attributes:
        cpus: virtual processors.
        gpus: graphics processors.
        memory: how much memory, in ``memory_units``.
        memory_units: "gigabytes", of 10**9 bytes (the default), or "mebibytes", of 2**20.
        seconds_timeout: AWS ends it after so long, at least 60 s.
        share_identifier: for queues with fair shares.
        scheduling_priority_override: likewise.
        tags: of the job.
        propagate_tags: give them to its ECS task, too.
        parameters: values of "Ref::name" in the command.
        environment: variables. Whoever may describe the job can read them.
    """

    cpus: float
    gpus: int
    memory: float
    memory_units: Literal["gigabytes", "mebibytes"]
    seconds_timeout: float
    share_identifier: str
    scheduling_priority_override: int
    tags: Mapping[str, str]
    propagate_tags: bool
    parameters: Mapping[str, str]
    environment: Mapping[str, str]


def random_job_name() -> str:
    """A name that shows whose it is, for a job that was given none."""
    return f"{PREFIX}trial-{secrets.token_hex(4)}"


def trial_request(
    name: str, queue: str, definition: str, command: Sequence[str], options: Trial
) -> dict[str, Any]:
    """What SubmitJob is sent, as boto3 takes it."""
    variables = options.get("environment") or {}
    needs = requirements(
        options.get("cpus"),
        options.get("gpus"),
        options.get("memory"),
        options.get("memory_units", GIGABYTES),
    )
    overrides = {
        "command": [str(word) for word in command],
        "resourceRequirements": needs,
        "environment": [{"name": key, "value": value} for key, value in variables.items()],
    }
    seconds = options.get("seconds_timeout")
    whole = {
        "jobName": job_name(name),
        "jobQueue": queue,
        "jobDefinition": definition,
        "containerOverrides": {key: value for key, value in overrides.items() if value},
        "timeout": None if seconds is None else {"attemptDurationSeconds": math.ceil(seconds)},
        "shareIdentifier": options.get("share_identifier"),
        "schedulingPriorityOverride": options.get("scheduling_priority_override"),
        # As those of workers, so that it is known whose job it is.
        "tags": job_tags("", "", user(), socket.gethostname(), options.get("tags")),
        "propagateTags": options.get("propagate_tags"),
        "parameters": dict(options.get("parameters") or {}),
    }
    return {key: value for key, value in whole.items() if value not in (None, {})}


def submit(clients: Clients, request: Mapping[str, Any]) -> dict[str, Any]:
    """Submit it once: a name, an id and an ARN.

    Raises:
        AwsError: it was not submitted, or nobody knows.
    """
    told = clients.call("batch", "submit_job", once=True, **request)
    return {"name": told["jobName"], "id": told["jobId"], "arn": told.get("jobArn")}
