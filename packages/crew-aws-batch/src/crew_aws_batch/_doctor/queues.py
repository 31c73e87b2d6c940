"""Looks at a job queue, and at the machines behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._aws.errors import AwsError
from crew_aws_batch._doctor.findings import bad, doubtful, good, unseen
from crew_core.plugins import Finding

Environment = dict[str, Any]
"""An item of DescribeComputeEnvironments."""


def queue(clients: Clients, name: str) -> Iterator[Finding | list[Environment]]:
    """What is to be said of a queue; in the end its compute environments, if it has some."""
    try:
        found = clients.call("batch", "describe_job_queues", jobQueues=[name])["jobQueues"]
    except AwsError as error:
        yield unseen("queue", error)
        return
    if not found:
        there = f"there is no job queue {name!r} in {clients.region}"
        yield bad("queue", there, "create it, or name another by job_queue= or region=")
        return
    told = found[0]
    if told["state"] != "ENABLED":
        yield bad("queue", f"{name} is disabled", "enable it: it takes no jobs")
    elif told.get("status", "VALID") != "VALID":
        reason = told.get("statusReason") or "AWS says no reason"
        yield bad("queue", f"{name} is {told['status'].lower()}: {reason}", "mend it first")
    else:
        yield good("queue", f"{name} takes jobs")
    order = [str(one["computeEnvironment"]) for one in told.get("computeEnvironmentOrder", ())]
    if not order:
        yield bad("machines", f"{name} has no compute environment", "give it one")
        return
    yield from _environments(clients, order)


def _environments(clients: Clients, names: Sequence[str]) -> Iterator[Finding | list[Environment]]:
    try:
        found: list[Environment] = clients.call(
            "batch", "describe_compute_environments", computeEnvironments=list(names)
        )["computeEnvironments"]
    except AwsError as error:
        yield unseen("machines", error)
        return
    usable = [one for one in found if one.get("state") == "ENABLED" and _is_valid(one)]
    for one in found:
        if one not in usable:
            yield _unusable(one, alone=not usable)
    for one in usable:
        yield good("machines", _described(one))
    if usable:
        yield usable


def room(environments: Sequence[Environment], cpus: float | None) -> Finding | None:
    """Whether one worker fits; None when that cannot be told."""
    most = [(one.get("computeResources") or {}).get("maxvCpus") for one in environments]
    known = [int(count) for count in most if count is not None]
    if cpus is None or len(known) < len(most) or not known or cpus <= max(known):
        return None
    return bad(
        "machines",
        f"a worker needs {cpus:g} vCPUs, and the queue's environments have {max(known)} at most",
        "raise maxvCpus of the compute environment, or ask for fewer by cpus=",
    )


def platforms(environments: Sequence[Environment]) -> set[str]:
    """What the machines of a queue are: EC2, FARGATE, or both."""
    kinds = {str((one.get("computeResources") or {}).get("type", "EC2")) for one in environments}
    return {"FARGATE" if kind.startswith("FARGATE") else "EC2" for kind in kinds}


def security_groups(environments: Sequence[Environment]) -> list[str]:
    """Those that the workers' machines are in."""
    groups = [(one.get("computeResources") or {}).get("securityGroupIds") for one in environments]
    return list(dict.fromkeys(group for some in groups for group in some or ()))


def _is_valid(environment: Environment) -> bool:
    return str(environment.get("status", "VALID")) == "VALID"


def _unusable(environment: Environment, *, alone: bool) -> Finding:
    name = environment["computeEnvironmentName"]
    state, status = environment.get("state"), environment.get("status")
    reason = environment.get("statusReason") or f"state {state}, status {status}"
    if alone:
        return bad("machines", f"compute environment {name}: {reason}", "enable or mend it")
    return doubtful("machines", f"compute environment {name}: {reason}", "others of the queue work")


def _described(environment: Environment) -> str:
    name = environment["computeEnvironmentName"]
    resources = environment.get("computeResources") or {}
    if not resources:
        return f"{name} is a compute environment that you manage yourself"
    return f"{name} has {resources['type']} machines, {resources.get('maxvCpus')} vCPUs at most"
