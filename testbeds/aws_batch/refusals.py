"""What AWS Batch is documented to refuse, of what clients check neither."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_TAG = re.compile(r"[\w\s.:/=+\-@]*")
_FARGATE_MIB = {
    "0.25": {512, 1024, 2048},
    "0.5": set(range(1024, 4097, 1024)),
    "1": set(range(2048, 8193, 1024)),
    "2": set(range(4096, 16385, 1024)),
    "4": set(range(8192, 30721, 1024)),
    "8": set(range(16384, 61441, 4096)),
    "16": set(range(32768, 122881, 8192)),
}


class RefusedError(Exception):
    """AWS would answer ClientException with this message."""


def check_submission(request: Mapping[str, Any]) -> None:
    """Refuse a SubmitJob that AWS would refuse.

    Raises:
        RefusedError: with the reason.
    """
    _check_name("Job name", request.get("jobName"))
    size = (request.get("arrayProperties") or {}).get("size")
    if size is not None and not 2 <= size <= 10000:
        raise RefusedError("Array size must be between 2 and 10,000")
    _check_times(request)
    _check_tags(request)
    overrides = request.get("containerOverrides") or {}
    for variable in overrides.get("environment", []):
        if variable["name"].startswith("AWS_BATCH"):
            raise RefusedError("Environment variables cannot start with 'AWS_BATCH'")
    _check_needs(overrides)


def check_definition(request: Mapping[str, Any]) -> None:
    """Refuse a RegisterJobDefinition that AWS would refuse.

    Raises:
        RefusedError: with the reason.
    """
    _check_name("jobDefinitionName", request.get("jobDefinitionName"))
    _check_times(request)
    _check_tags(request)
    properties = request.get("containerProperties") or {}
    _check_needs(properties)
    storage = (properties.get("ephemeralStorage") or {}).get("sizeInGiB")
    if storage is not None and not 21 <= storage <= 200:
        raise RefusedError("ephemeralStorage sizeInGiB must be between 21 and 200")
    if "FARGATE" in (request.get("platformCapabilities") or []):
        _check_fargate(properties)
    else:
        for name in ("networkConfiguration", "fargatePlatformConfiguration", "ephemeralStorage"):
            if name in properties:
                raise RefusedError(f"{name} is not applicable for EC2 jobs")


def _check_name(what: str, name: object) -> None:
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise RefusedError(f"{what} should match valid pattern")


def _check_times(request: Mapping[str, Any]) -> None:
    limit = (request.get("timeout") or {}).get("attemptDurationSeconds")
    if limit is not None and limit < 60:
        raise RefusedError("attemptDurationSeconds must be at least 60")
    retry = request.get("retryStrategy") or {}
    if retry and not 1 <= retry.get("attempts", 1) <= 10:
        raise RefusedError("Attempts must be between 1 and 10")
    if len(retry.get("evaluateOnExit") or []) > 5:
        raise RefusedError("At most 5 evaluateOnExit are allowed")


def _check_tags(request: Mapping[str, Any]) -> None:
    tags = request.get("tags") or {}
    if len(tags) > 50:
        raise RefusedError("At most 50 tags are allowed")
    for key, value in tags.items():
        if len(key) > 128 or len(value) > 256 or key.lower().startswith("aws:"):
            raise RefusedError(f"Tag {key} is not valid")
        if _TAG.fullmatch(key) is None or _TAG.fullmatch(value) is None:
            raise RefusedError(f"Tag {key} is not valid")


def _check_needs(properties: Mapping[str, Any]) -> None:
    kinds = [one["type"] for one in properties.get("resourceRequirements", [])]
    if len(set(kinds)) != len(kinds):
        raise RefusedError("resourceRequirements has a type twice")
    for one in properties.get("resourceRequirements", []):
        if float(one["value"]) <= 0:
            raise RefusedError(f"{one['type']} must be greater than 0")


def _check_fargate(properties: Mapping[str, Any]) -> None:
    if not properties.get("executionRoleArn"):
        raise RefusedError("Fargate jobs require executionRoleArn")
    needs = {one["type"]: one["value"] for one in properties.get("resourceRequirements", [])}
    if "GPU" in needs:
        raise RefusedError("GPU is not supported for Fargate jobs")
    allowed = _FARGATE_MIB.get(f"{float(needs.get('VCPU', 0)):g}", set())
    if int(needs.get("MEMORY", 0)) not in allowed:
        raise RefusedError("Fargate resource requirements (vcpu, memory) are not a supported pair")
    if properties.get("privileged") or any("host" in one for one in properties.get("volumes", [])):
        raise RefusedError("privileged and host volumes are not supported for Fargate jobs")
