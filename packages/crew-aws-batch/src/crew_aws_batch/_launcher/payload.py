"""What SubmitJob is asked for: options become a request. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from crew_aws_batch._aws.resources import GIGABYTES, mebibytes, requirements
from crew_aws_batch._launcher.ladders import one
from crew_aws_batch._launcher.options import AwsBatchOptions

MAIN_NODE = "0"
"""Where the worker of a job of several nodes runs."""

_GPU = "nvidia.com/gpu"


class Submission(NamedTuple):
    """One job, or one array of jobs.

    Attributes:
        name: its name, which no other job has.
        workers: how many.
        command: what each of its jobs runs.
        variables: to add to their environment; everybody may see these.
        tags: its tags.
    """

    name: str
    workers: int
    command: Sequence[str]
    variables: Mapping[str, str]
    tags: Mapping[str, str]


def request(options: AwsBatchOptions, submission: Submission) -> dict[str, Any]:
    """The parameters of SubmitJob.

    Args:
        options: of one step: no ladder is left.
        submission: what is submitted.
    """
    seconds = options.seconds_job
    parameters: dict[str, Any] = {
        "jobName": submission.name,
        "jobQueue": one(options.job_queue),
        "jobDefinition": one(options.job_definition),
        "shareIdentifier": options.share_identifier,
        "schedulingPriorityOverride": options.scheduling_priority_override,
        "parameters": dict(options.parameters) if options.parameters else None,
        "retryStrategy": dict(options.retry_strategy or {"attempts": 1}),
        "propagateTags": options.propagate_tags,
        "timeout": None if seconds is None else {"attemptDurationSeconds": seconds},
        "tags": dict(submission.tags) or None,
        "arrayProperties": {"size": submission.workers} if submission.workers > 1 else None,
        **_overrides(options, submission),
    }
    return {key: value for key, value in parameters.items() if value is not None}


def _overrides(options: AwsBatchOptions, submission: Submission) -> dict[str, Any]:
    if options.eks_properties_override is not None:
        return {"eksPropertiesOverride": _pod(options, submission)}
    if options.node_overrides is not None:
        return {"nodeOverrides": _nodes(options, submission)}
    return {"containerOverrides": _container(options, submission, options.container_overrides)}


def _container(
    options: AwsBatchOptions, submission: Submission, given: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Overrides of a container: the user's, in which what crew says goes first."""
    found = dict(given or {})
    own = requirements(one(options.cpus), one(options.gpus), one(options.memory), _units(options))
    kinds = {entry["type"] for entry in own}
    kept = [e for e in found.get("resourceRequirements", ()) if e.get("type") not in kinds]
    found["command"] = list(submission.command)
    found["resourceRequirements"] = [*own, *kept]
    found["environment"] = _variables(found.get("environment", ()), submission)
    return {key: value for key, value in found.items() if value != []}


def _nodes(options: AwsBatchOptions, submission: Submission) -> dict[str, Any]:
    """Overrides of a job of several nodes, the first of which runs the worker."""
    found = dict(options.node_overrides or {})
    others = []
    main: dict[str, Any] = {"targetNodes": MAIN_NODE}
    for entry in found.get("nodePropertyOverrides", ()):
        if entry.get("targetNodes") in (MAIN_NODE, f"{MAIN_NODE}:{MAIN_NODE}"):
            main = dict(entry)
        else:
            others.append(entry)
    main["containerOverrides"] = _container(options, submission, main.get("containerOverrides"))
    return {**found, "nodePropertyOverrides": [main, *others]}


def _pod(options: AwsBatchOptions, submission: Submission) -> dict[str, Any]:
    """Overrides of a pod, the first container of which runs the worker."""
    found = dict(options.eks_properties_override or {})
    pod = dict(found.get("podProperties", {}))
    first, *others = [dict(entry) for entry in pod.get("containers", ())] or [{}]
    # Both, as the definition's own arguments would follow a command that comes alone.
    first["command"], first["args"] = [submission.command[0]], list(submission.command[1:])
    if limits := _limits(options):
        given = dict(first.get("resources", {}))
        for kind in ("limits", "requests"):
            given[kind] = {**given.get(kind, {}), **limits}
        first["resources"] = given
    if variables := _variables(first.get("env", ()), submission):
        first["env"] = variables
    return {**found, "podProperties": {**pod, "containers": [first, *others]}}


def _limits(options: AwsBatchOptions) -> dict[str, str]:
    found = {}
    cpus, gpus, memory = one(options.cpus), one(options.gpus), one(options.memory)
    if cpus is not None:
        found["cpu"] = f"{cpus:g}"
    if memory is not None:
        found["memory"] = f"{mebibytes(memory, _units(options))}Mi"
    if gpus:
        found[_GPU] = str(gpus)
    return found


def _variables(given: Sequence[Mapping[str, str]], submission: Submission) -> list[dict[str, str]]:
    own = [{"name": name, "value": value} for name, value in submission.variables.items()]
    kept = [dict(entry) for entry in given if entry.get("name") not in submission.variables]
    return [*kept, *own]


def _units(options: AwsBatchOptions) -> str:
    return one(options.memory_units) or GIGABYTES
