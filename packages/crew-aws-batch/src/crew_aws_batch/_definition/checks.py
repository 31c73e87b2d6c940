"""What is wrong with a job definition, said before AWS is asked. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from crew_aws_batch._aws.resources import UNITS, mebibytes
from crew_aws_batch._definition.registration import OPTIONS, Registration
from crew_core.plugins import ConfigError

SECONDS_LEAST = 60
"""AWS takes no shorter timeout."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_STORAGE = range(21, 201)
_PRIORITIES = range(10000)
_MOST_TAGS = 50

_FARGATE_ONLY = ("ephemeral_storage", "assign_public_ip", "platform_version", "architecture")
_EC2_ONLY = ("gpus", "privileged", "shared_memory")

_TABLES = (
    *("environment", "secrets", "volumes", "log_options", "log_secrets", "retry_strategy"),
    *("parameters", "tags", "container_properties"),
)
_OF_TEXT = ("environment", "secrets", "log_options", "log_secrets", "parameters", "tags")
_ABOVE_ZERO = ("cpus", "memory", "shared_memory", "seconds_timeout")

FARGATE_MEBIBYTES: Mapping[float, range | tuple[int, ...]] = {
    0.25: (512, 1024, 2048),
    0.5: range(1024, 4097, 1024),
    1: range(2048, 8193, 1024),
    2: range(4096, 16385, 1024),
    4: range(8192, 30721, 1024),
    8: range(16384, 61441, 4096),
    16: range(32768, 122881, 8192),
}
"""How much memory Fargate gives with so many virtual processors."""


def check_name(option: str, name: object) -> None:
    """Refuse a name that AWS would refuse.

    Raises:
        ConfigError: it has other characters than letters, digits, hyphens and underscores.
        TypeError: it is no text.
    """
    if not isinstance(name, str):
        raise TypeError(f"{option}={name!r}: must be text, not {type(name).__name__}")
    if _NAME.fullmatch(name) is None:
        raise ConfigError(
            f"{option}={name!r}: must be letters, digits, hyphens and underscores, 128 at most, "
            "and begin with a letter or digit"
        )


def check(image: object, options: Registration) -> None:
    """Refuse what AWS would refuse, and what would not work.

    Raises:
        ConfigError: with what is wrong, and what to say instead.
        TypeError: for a value of the wrong type.
    """
    if not isinstance(image, str) or not image.strip():
        raise ConfigError(f"image={image!r}: must name a container image, such as an ECR address")
    given = {name: value for name, value in options.items() if value is not None}
    _check_known(given)
    _check_types(given)
    _check_amounts(given)
    _check_platform(given)
    _check_secrets(given)
    _check_limits(given)


def _check_known(given: Mapping[str, Any]) -> None:
    for name in given:
        if name not in OPTIONS:
            near = difflib.get_close_matches(name, OPTIONS, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"a job definition has no option {name!r}.{hint}")


def _check_types(given: Mapping[str, Any]) -> None:
    for name in _TABLES:
        table = given.get(name, {})
        if not isinstance(table, Mapping):
            raise TypeError(f"{name}: must be a table (a dict), not {type(table).__name__}")
        for key, value in table.items() if name in _OF_TEXT else ():
            if not isinstance(key, str) or not isinstance(value, str):
                raise TypeError(f"{name}[{key!r}]: must be text, not {type(value).__name__}")
    if isinstance(given.get("command"), str):
        raise TypeError(f"command={given['command']!r}: must be a list of words, not one text")


def _check_amounts(given: Mapping[str, Any]) -> None:
    for name in (*_ABOVE_ZERO, "gpus", "ephemeral_storage", "scheduling_priority"):
        value = given.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{name}={value!r}: must be a number, not {type(value).__name__}")
        if value < 0 or (value == 0 and name in _ABOVE_ZERO):
            raise ConfigError(f"{name}={value!r}: must be above zero")
    if (units := given.get("memory_units", UNITS[0])) not in UNITS:
        raise ConfigError(f"memory_units={units!r}: must be {' or '.join(map(repr, UNITS))}")
    needs = {
        one.get("type")
        for one in given.get("container_properties", {}).get("resourceRequirements", ())
    }
    for name, kind in (("cpus", "VCPU"), ("memory", "MEMORY")):
        if name not in given and kind not in needs:
            raise ConfigError(f"{name}= is missing: AWS takes no job definition without it")


def _check_platform(given: Mapping[str, Any]) -> None:
    platform = given.get("platform_capabilities", "EC2")
    if platform not in ("EC2", "FARGATE"):
        raise ConfigError(f"platform_capabilities={platform!r}: must be 'EC2' or 'FARGATE'")
    foreign = _EC2_ONLY if platform == "FARGATE" else _FARGATE_ONLY
    for name in foreign:
        if given.get(name):
            other = "EC2" if platform == "FARGATE" else "FARGATE"
            raise ConfigError(f"{name}= needs platform_capabilities={other!r}")
    if platform == "FARGATE":
        _check_fargate(given)


def _check_fargate(given: Mapping[str, Any]) -> None:
    if "execution_role_arn" not in given:
        raise ConfigError(
            "execution_role_arn= is missing: Fargate needs a role to fetch the image with and to "
            "write logs"
        )
    for folder, source in given.get("volumes", {}).items():
        if isinstance(source, str) and source.startswith("/"):
            raise ConfigError(f"volumes[{folder!r}]={source!r}: Fargate has no folders of a host")
    if "cpus" not in given or "memory" not in given:
        return
    cpus = float(given["cpus"])
    fitting = FARGATE_MEBIBYTES.get(cpus)
    if fitting is None:
        sizes = ", ".join(f"{size:g}" for size in FARGATE_MEBIBYTES)
        raise ConfigError(f"cpus={given['cpus']!r}: Fargate has {sizes}")
    wanted = mebibytes(given["memory"], given.get("memory_units", UNITS[0]))
    if wanted not in fitting:
        nearest = min(fitting, key=lambda size: abs(size - wanted))
        raise ConfigError(
            f"memory={given['memory']!r}: is {wanted} MiB, which Fargate does not give with "
            f'cpus={cpus:g}. The nearest is memory={nearest}, memory_units="mebibytes"'
        )


def _check_secrets(given: Mapping[str, Any]) -> None:
    if given.get("secrets") and "execution_role_arn" not in given:
        raise ConfigError("secrets= needs execution_role_arn=, the role that AWS reads them with")
    twice = sorted(set(given.get("secrets", {})) & set(given.get("environment", {})))
    if twice:
        raise ConfigError(f"{twice[0]!r} is in environment= and in secrets=: only one can say it")
    for name in given.get("environment", {}):
        if name.startswith("AWS_BATCH"):
            raise ConfigError(f"environment[{name!r}]: names with AWS_BATCH are AWS's own")


def _check_limits(given: Mapping[str, Any]) -> None:
    if (seconds := given.get("seconds_timeout", SECONDS_LEAST)) < SECONDS_LEAST:
        raise ConfigError(f"seconds_timeout={seconds!r}: AWS takes {SECONDS_LEAST} s at least")
    if "ephemeral_storage" in given and given["ephemeral_storage"] not in _STORAGE:
        raise ConfigError(f"ephemeral_storage={given['ephemeral_storage']!r}: 21 to 200 GiB")
    if given.get("scheduling_priority", 0) not in _PRIORITIES:
        raise ConfigError(f"scheduling_priority={given['scheduling_priority']!r}: 0 to 9999")
    if len(given.get("tags", {})) > _MOST_TAGS:
        raise ConfigError(f"tags: {len(given['tags'])}, and AWS takes {_MOST_TAGS} at most")
