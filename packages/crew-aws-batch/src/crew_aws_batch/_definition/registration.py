"""The keywords that say what a job definition is to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict


class Registration(TypedDict, total=False):
    """What can be said of a job definition beside its image.

    Attributes:
        platform_capabilities: "EC2" (the default) or "FARGATE".
        cpus: virtual processors: whole ones on EC2, also 0.25 and 0.5 on Fargate.
        gpus: graphics processors; 0: none. EC2 only.
        memory: how much memory, in ``memory_units``.
        memory_units: "gigabytes", of 10**9 bytes (the default), or "mebibytes", of 2**20.
        command: what jobs run that do not say otherwise. Workers do.
        environment: variables. Whoever may describe the definition can read them.
        secrets: variables whose values AWS fetches: a table from each name to the ARN of a secret
            in Secrets Manager or a parameter in Parameter Store. Needs ``execution_role_arn``.
        volumes: a table from each folder in the container to what is mounted there: a folder of
            the host ("/scratch", EC2 only), an EFS file system ("fs-12345678",
            "fs-12345678:/folder"), or a table in AWS's own words. ":ro" at the end: read-only.
        ephemeral_storage: room for the container's files, 21 to 200 GiB. Fargate only.
        assign_public_ip: give jobs a public address, as they need it in a public subnet.
            Fargate only.
        platform_version: Fargate's, such as "1.4.0".
        architecture: "X86_64" or "ARM64". Fargate only.
        user: who the command runs as.
        privileged: let the container do what the host's root may. EC2 only.
        read_only: make the container's own files read-only.
        init: let a small first process hand signals on and reap orphans. Workers need none.
        shared_memory: the size of /dev/shm, in MiB. EC2 only.
        job_role_arn: the role whose permissions a job's own program has.
        execution_role_arn: the role that AWS itself uses to fetch the image, secrets, and to
            write logs. Fargate needs it.
        log_driver: "awslogs" (the default), "splunk", "fluentd", ...; None leaves it to AWS.
        log_options: the driver's options. For "awslogs" the log group, region and prefix are said
            already.
        log_secrets: those of the driver's options that are secret, as in ``secrets``.
        seconds_timeout: AWS ends each attempt of a job after so long, at least 60 s.
        retry_strategy: how often AWS tries a job again, in its own words: "attempts",
            "evaluateOnExit". crew launches lost workers again by itself.
        scheduling_priority: for queues with fair shares, 0 to 9999.
        parameters: values of "Ref::name" in the command.
        tags: of the definition.
        propagate_tags: give jobs' tags to their ECS tasks, too.
        container_properties: what else AWS knows of containers, in its own words; these win.
    """

    platform_capabilities: Literal["EC2", "FARGATE"]
    cpus: float
    gpus: int
    memory: float
    memory_units: Literal["gigabytes", "mebibytes"]
    command: Sequence[str]
    environment: Mapping[str, str]
    secrets: Mapping[str, str]
    volumes: Mapping[str, str | Mapping[str, Any]]
    ephemeral_storage: int
    assign_public_ip: bool
    platform_version: str
    architecture: Literal["X86_64", "ARM64"]
    user: str
    privileged: bool
    read_only: bool
    init: bool
    shared_memory: int
    job_role_arn: str
    execution_role_arn: str
    log_driver: str | None
    log_options: Mapping[str, str]
    log_secrets: Mapping[str, str]
    seconds_timeout: float
    retry_strategy: Mapping[str, Any]
    scheduling_priority: int
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    propagate_tags: bool
    container_properties: Mapping[str, Any]


OPTIONS = frozenset(Registration.__annotations__)
"""The keywords."""
