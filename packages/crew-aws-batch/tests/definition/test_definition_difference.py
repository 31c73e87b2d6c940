"""Whether a registered definition is the one that is wanted."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from crew_aws_batch import JobDefinition
from crew_aws_batch._definition.difference import differences

OPTIONS: dict[str, Any] = {
    "cpus": 1,
    "memory": 2,
    "environment": {"A": "1", "B": "2"},
    "tags": {"project": "x"},
    "volumes": {"/data": "/mnt"},
}


def wanted(**options: Any) -> dict[str, Any]:
    definition = JobDefinition("worker", region="us-east-1")
    return definition.request("image:1", **{**OPTIONS, **options})


def described(request: dict[str, Any]) -> dict[str, Any]:
    """As DescribeJobDefinitions gives back what was sent, with all that AWS adds."""
    found = copy.deepcopy(request)
    found |= {
        "jobDefinitionArn": "arn:aws:batch:us-east-1:123456789012:job-definition/worker:3",
        "revision": 3,
        "status": "ACTIVE",
        "parameters": {},
        "containerOrchestrationType": "ECS",
        "retryStrategy": {"attempts": 1, "evaluateOnExit": []},
        "propagateTags": False,
    }
    container = found["containerProperties"]
    container |= {"ulimits": [], "secrets": [], "command": [], "vcpus": 1, "memory": 1907}
    container["environment"] = list(reversed(container["environment"]))
    container["networkConfiguration"] = {"assignPublicIp": "DISABLED"}
    container["fargatePlatformConfiguration"] = {"platformVersion": "LATEST"}
    container["logConfiguration"]["secretOptions"] = []
    return found


def test_what_aws_adds_makes_no_difference() -> None:
    assert differences(wanted(), described(wanted())) == []


def test_a_number_that_aws_writes_another_way_makes_no_difference() -> None:
    found = described(wanted())
    found["containerProperties"]["resourceRequirements"][1]["value"] = "1.0"
    assert differences(wanted(), found) == []


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"cpus": 2}, "containerProperties.resourceRequirements.type=VCPU.value"),
        ({"environment": {"A": "1"}}, "containerProperties.environment.name=B.name"),
        ({"environment": {**OPTIONS["environment"], "C": "3"}}, "name=C.value"),
        ({"tags": {}}, "tags.project"),
        ({"seconds_timeout": 60}, "timeout.attemptDurationSeconds"),
        ({"retry_strategy": {"attempts": 2}}, "retryStrategy.attempts"),
        ({"job_role_arn": "arn:aws:iam::1:role/x"}, "containerProperties.jobRoleArn"),
        ({"volumes": {}}, "containerProperties.volumes.name=volume-1.host.sourcePath"),
    ],
)
def test_what_is_changed_added_or_taken_out_makes_one(options: dict[str, Any], place: str) -> None:
    assert any(place in one for one in differences(wanted(**options), described(wanted())))
