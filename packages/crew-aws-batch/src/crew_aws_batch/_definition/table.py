"""Job definitions as rows of a table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COLUMNS = {
    "name": "jobDefinitionName",
    "arn": "jobDefinitionArn",
    "revision": "revision",
    "status": "status",
    "type": "type",
    "scheduling_priority": "schedulingPriority",
    "parameters": "parameters",
    "retry_strategy": "retryStrategy",
    "container_properties": "containerProperties",
    "timeout": "timeout",
    "node_properties": "nodeProperties",
    "tags": "tags",
    "propagate_tags": "propagateTags",
    "platform_capabilities": "platformCapabilities",
    "eks_properties": "eksProperties",
    "container_orchestration_type": "containerOrchestrationType",
}
"""What each column is called in AWS's answers."""


def row(described: Mapping[str, Any]) -> dict[str, Any]:
    """A row for an item of DescribeJobDefinitions; None for what it does not say."""
    found: dict[str, Any] = {name: described.get(key) for name, key in COLUMNS.items()}
    found["status"] = str(found["status"] or "").lower()
    found["platform_capabilities"] = ",".join(found["platform_capabilities"] or ()) or None
    return found
