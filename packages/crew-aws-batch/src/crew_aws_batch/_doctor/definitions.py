"""Looks at a job definition: its image, its roles, where its output goes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._aws.errors import AwsError
from crew_aws_batch._aws.logs import LOG_GROUP
from crew_aws_batch._doctor.findings import bad, doubtful, good, unseen
from crew_aws_batch._doctor.images import EcrImage, in_ecr
from crew_core.plugins import Finding

Definition = dict[str, Any]
"""An item of DescribeJobDefinitions."""


def definition(clients: Clients, name: str) -> tuple[Definition | None, Finding]:
    """The revision that jobs would take; None when there is none."""
    bare = name.rpartition("job-definition/")[2]
    wanted, _, revision = bare.partition(":")
    try:
        found = list(
            clients.pages(
                "batch",
                "describe_job_definitions",
                "jobDefinitions",
                jobDefinitionName=wanted,
                status="ACTIVE",
            )
        )
    except AwsError as error:
        return None, unseen("definition", error)
    fitting = [one for one in found if not revision or str(one["revision"]) == revision]
    if not fitting:
        what = f"there is no active job definition {bare!r} in {clients.region}"
        known = ", ".join(str(one["revision"]) for one in found)
        hint = (
            f"active revisions: {known}" if found else "register it: crew_aws_batch.JobDefinition"
        )
        return None, bad("definition", what, hint)
    latest = max(fitting, key=lambda one: int(one["revision"]))
    return latest, good("definition", f"{wanted}, revision {latest['revision']}, is active")


def platform(found: Definition, platforms: Collection[str]) -> Finding | None:
    """Whether the queue's machines are of the kind that the definition is for."""
    meant = set(found.get("platformCapabilities") or ["EC2"])
    if not platforms or meant & set(platforms):
        return None
    return bad(
        "definition",
        f"it is for {' or '.join(sorted(meant))}, and the queue has {' and '.join(platforms)}",
        "name another queue, or register it with the queue's platform_capabilities=",
    )


def roles(found: Definition) -> Iterator[Finding]:
    """Whether AWS itself may do what the definition needs."""
    container = found.get("containerProperties") or {}
    if container.get("executionRoleArn"):
        return
    if "FARGATE" in (found.get("platformCapabilities") or ()):
        yield bad(
            "definition",
            "it is for Fargate, and has no execution role",
            "register it with execution_role_arn=: without it no image is fetched",
        )
    elif container.get("secrets"):
        yield bad(
            "definition",
            "it has secrets, and no execution role that may read them",
            "register it with execution_role_arn=",
        )


def image(clients: Clients, found: Definition) -> Finding | None:
    """Whether its image is where it is said to be."""
    name = (found.get("containerProperties") or {}).get("image")
    if not name:
        return None
    wanted = in_ecr(str(name))
    if wanted is None:
        return doubtful(
            "image",
            f"{name} is not in Amazon's registry, so it cannot be looked at from here",
            "make sure that the queue's machines reach its registry",
        )
    return _in_registry(clients, str(name), wanted)


def _in_registry(clients: Clients, name: str, wanted: EcrImage) -> Finding:
    if wanted.region != clients.region:
        return doubtful(
            "image",
            f"{name} is in {wanted.region}, not {clients.region}",
            "fetching it takes longer",
        )
    try:
        clients.call(
            "ecr",
            "describe_images",
            registryId=wanted.account,
            repositoryName=wanted.repository,
            imageIds=[wanted.key],
        )
    except AwsError as error:
        if error.code in ("ImageNotFoundException", "RepositoryNotFoundException"):
            return bad("image", f"there is no image {name}: {error.words}", "push it")
        return unseen("image", error)
    return good("image", f"{name} is there")


def output(clients: Clients, found: Definition) -> Finding:
    """Whether what workers print can be read afterwards."""
    container = found.get("containerProperties") or {}
    logging = container.get("logConfiguration") or {}
    driver = logging.get("logDriver", "awslogs")
    if driver != "awslogs":
        return doubtful(
            "log group",
            f"jobs write their output by the log driver {driver!r}",
            "crew shows what is in CloudWatch only: look where the driver keeps it",
        )
    options = logging.get("options") or {}
    group = str(options.get("awslogs-group") or LOG_GROUP)
    try:
        listed = clients.pages("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=group)
        is_there = any(one["logGroupName"] == group for one in listed)
    except AwsError as error:
        return unseen("log group", error)
    if is_there:
        return good("log group", f"{group} is there")
    if group == LOG_GROUP:
        return good("log group", f"{group} is made by AWS with the first job")
    if options.get("awslogs-create-group") == "true":
        return good("log group", f"{group} is made with the first job")
    return bad("log group", f"there is no log group {group}", "make it: jobs do not start without")
