"""In what a registered job definition differs from one that is wanted. Pure.

AWS gives back more than it was sent: empty lists, and defaults. Neither makes a difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_COMPARED = (
    *("type", "platformCapabilities", "schedulingPriority", "parameters", "retryStrategy"),
    *("timeout", "tags", "propagateTags", "containerProperties"),
)

_DEFAULTS: Mapping[str, object] = {
    "platformCapabilities": ["EC2"],
    "retryStrategy.attempts": 1,
    "containerProperties.networkConfiguration.assignPublicIp": "DISABLED",
    "containerProperties.fargatePlatformConfiguration.platformVersion": "LATEST",
    "containerProperties.runtimePlatform.operatingSystemFamily": "LINUX",
    "containerProperties.runtimePlatform.cpuArchitecture": "X86_64",
}

# What AWS still gives in its older form beside resourceRequirements.
_TWICE = ("containerProperties.vcpus", "containerProperties.memory")

_KEYS = ("name", "type", "containerPath")
"""What names an entry of a list that is a table in disguise."""


def differences(wanted: Mapping[str, Any], registered: Mapping[str, Any]) -> list[str]:
    """The places that differ, in AWS's words: "containerProperties.image"; none: nothing does.

    Args:
        wanted: what RegisterJobDefinition would be sent.
        registered: an item of DescribeJobDefinitions.
    """
    ours, theirs = (_flat({key: one.get(key) for key in _COMPARED}) for one in (wanted, registered))
    return sorted(
        place for place in {*ours, *theirs} if ours.get(place, ()) != theirs.get(place, ())
    )


def _flat(value: object, place: str = "") -> dict[str, object]:
    """Each value by its place, without what is empty or as it always is."""
    if place in _TWICE or value is None or value == _DEFAULTS.get(place):
        return {}
    if isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
        value = _keyed(value)
    if isinstance(value, Mapping):
        found: dict[str, object] = {}
        for key, inner in value.items():
            found |= _flat(inner, f"{place}.{key}" if place else str(key))
        return found
    if value in (False, "", [], ()):
        return {}
    return {place: _plain(value)}


def _keyed(entries: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Entries by name, for their order does not matter; by number where they have none."""
    key = next((key for key in _KEYS if all(key in one for one in entries)), None)
    if key is None:
        return {str(number): one for number, one in enumerate(entries)}
    return {f"{key}={one[key]}": one for one in entries}


def _plain(value: object) -> object:
    """Numbers as AWS may write them: "1", "1.0"."""
    if isinstance(value, str):
        try:
            return f"{float(value):g}" if value[:1].isdigit() else value
        except ValueError:
            return value
    return value
