"""Turns what a user says of a job definition into what AWS is sent. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from crew_aws_batch._aws.resources import GIGABYTES, requirements
from crew_aws_batch._definition.registration import Registration
from crew_core.plugins import ConfigError

Payload = dict[str, Any]


def register_request(
    name: str, image: str, log_group: str, region: str, options: Registration
) -> Payload:
    """What RegisterJobDefinition is sent, as boto3 takes it.

    Args:
        name: of the definition.
        image: the container image.
        log_group: where jobs' output goes.
        region: where the log group is.
        options: what the user says, checked.
    """
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    seconds = given.get("seconds_timeout")
    timeout = None if seconds is None else {"attemptDurationSeconds": math.ceil(seconds)}
    return _without_nones(
        {
            "jobDefinitionName": name,
            "type": "container",
            "platformCapabilities": [given.get("platform_capabilities", "EC2")],
            "schedulingPriority": given.get("scheduling_priority"),
            "parameters": _table(given.get("parameters")),
            "retryStrategy": _table(given.get("retry_strategy")),
            "timeout": timeout,
            "tags": _table(given.get("tags")),
            "propagateTags": given.get("propagate_tags"),
            "containerProperties": {
                **_container(image, given),
                **_logging(name, log_group, region, options),
                **given.get("container_properties", {}),
            },
        }
    )


def _container(image: str, given: Mapping[str, Any]) -> Payload:
    units = given.get("memory_units", GIGABYTES)
    volumes, mounts = _volumes(given.get("volumes", {}))
    public = given.get("assign_public_ip")
    version = given.get("platform_version")
    architecture = given.get("architecture")
    storage = given.get("ephemeral_storage")
    return _without_nones(
        {
            "image": image,
            "command": _listed(given.get("command")),
            "resourceRequirements": requirements(
                given.get("cpus"), given.get("gpus"), given.get("memory"), units
            )
            or None,
            "jobRoleArn": given.get("job_role_arn"),
            "executionRoleArn": given.get("execution_role_arn"),
            "environment": _pairs(given.get("environment"), "value"),
            "secrets": _pairs(given.get("secrets"), "valueFrom"),
            "volumes": volumes or None,
            "mountPoints": mounts or None,
            "user": given.get("user"),
            "privileged": given.get("privileged"),
            "readonlyRootFilesystem": given.get("read_only"),
            "linuxParameters": _linux(given),
            "ephemeralStorage": None if storage is None else {"sizeInGiB": storage},
            "networkConfiguration": None
            if public is None
            else {"assignPublicIp": "ENABLED" if public else "DISABLED"},
            "fargatePlatformConfiguration": None
            if version is None
            else {"platformVersion": version},
            "runtimePlatform": None
            if architecture is None
            else {"cpuArchitecture": architecture, "operatingSystemFamily": "LINUX"},
        }
    )


def _linux(given: Mapping[str, Any]) -> Payload | None:
    found = {
        "initProcessEnabled": given.get("init"),
        "sharedMemorySize": given.get("shared_memory"),
    }
    return _without_nones(found) or None


def _logging(name: str, group: str, region: str, options: Registration) -> Payload:
    driver = options.get("log_driver", "awslogs")
    if driver is None:
        return {}
    usual = {
        "awslogs-group": group,
        "awslogs-region": region,
        "awslogs-stream-prefix": name,
    }
    said = dict(options.get("log_options") or {})
    configuration = {
        "logDriver": driver,
        "options": {**usual, **said} if driver == "awslogs" else said or None,
        "secretOptions": _pairs(options.get("log_secrets"), "valueFrom"),
    }
    return {"logConfiguration": _without_nones(configuration)}


def _volumes(table: Mapping[str, Any]) -> tuple[list[Payload], list[Payload]]:
    """Volumes, and where they are mounted."""
    volumes, mounts = [], []
    for number, (folder, source) in enumerate(table.items(), start=1):
        name = f"volume-{number}"
        read_only = False
        if isinstance(source, str):
            read_only = source.endswith(":ro")
            volume = _volume(folder, source.removesuffix(":ro"))
        else:
            volume = {key: value for key, value in source.items() if key != "readOnly"}
            read_only = bool(source.get("readOnly"))
        volumes.append({"name": name, **volume})
        mounts.append({"containerPath": folder, "sourceVolume": name, "readOnly": read_only})
    return volumes, mounts


def _volume(folder: str, source: str) -> Payload:
    if source.startswith("/"):
        return {"host": {"sourcePath": source}}
    if source.startswith("fs-"):
        system, _, below = source.partition(":")
        efs = {"fileSystemId": system, "rootDirectory": below, "transitEncryption": "ENABLED"}
        return {"efsVolumeConfiguration": {key: value for key, value in efs.items() if value}}
    raise ConfigError(
        f"volumes[{folder!r}]={source!r}: must be a folder of the host, which begins with /, or a "
        "file system of EFS, which begins with fs-"
    )


def _pairs(table: Mapping[str, str] | None, key: str) -> list[Payload] | None:
    """A table as AWS writes it: a list of names, each with something."""
    return [{"name": name, key: value} for name, value in table.items()] if table else None


def _table(value: Mapping[str, Any] | None) -> Payload | None:
    return dict(value) if value else None


def _listed(value: Any) -> list[str] | None:
    return None if value is None else [str(word) for word in value]


def _without_nones(payload: Payload) -> Payload:
    return {name: value for name, value in payload.items() if value is not None}
