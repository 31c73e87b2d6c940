"""What AWS would find wrong with a request, by its own description of its interface."""

from __future__ import annotations

import re
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape
from botocore.validate import ParamValidator

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_BATCH = ServiceModel(Loader().load_service_model("batch", "service-2"), "batch")


def problems(operation: str, parameters: dict[str, Any]) -> list[str]:
    """What is wrong with a request: names, types, lengths, and words that AWS does not know."""
    shape = _BATCH.operation_model(operation).input_shape
    found = ParamValidator().validate(parameters, shape)
    report = found.generate_report()
    return [*([report] if report else []), *_words(shape, parameters, operation)]


def refuse_what_aws_would(parameters: dict[str, Any]) -> None:
    """Raise as AWS would for a request to SubmitJob.

    Raises:
        KeyError: with the error's code and words.
    """
    found = problems("SubmitJob", parameters)
    if not _NAME.fullmatch(parameters["jobName"]):
        found.append(f"jobName {parameters['jobName']!r}")
    size = parameters.get("arrayProperties", {}).get("size", 2)
    if not 2 <= size <= 10_000:
        found.append(f"array size {size}")
    seconds = parameters.get("timeout", {}).get("attemptDurationSeconds", 60)
    if seconds < 60:
        found.append(f"timeout {seconds}")
    if found:
        raise KeyError("ClientException", "; ".join(found))


def _words(shape: Shape, value: Any, place: str) -> list[str]:
    """Texts that are none of those which the description lists."""
    if shape.type_name == "structure":
        return [
            problem
            for name, part in value.items()
            if name in shape.members
            for problem in _words(shape.members[name], part, f"{place}.{name}")
        ]
    if shape.type_name == "list":
        return [p for part in value for p in _words(shape.member, part, place)]
    allowed = getattr(shape, "enum", None)
    return [f"{place}={value!r}: none of {allowed}"] if allowed and value not in allowed else []
