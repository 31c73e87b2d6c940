"""What an account needs before jobs can be submitted: roles, a network, queues."""

from __future__ import annotations

import re
from typing import Any

from testbeds.aws_batch.moto import ACCOUNT, Moto

QUEUE, SECOND_QUEUE, PROOF_QUEUE = "crew-queue", "crew-second-queue", "crew-proof-queue"
ENVIRONMENT = "crew-environment"

_IAM, _EC2 = "2010-05-08", "2016-11-15"
_TRUST = '{"Version": "2012-10-17", "Statement": []}'


def role(name: str) -> str:
    """The ARN of a role."""
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def make(moto: Moto, cpus: int) -> dict[str, Any]:
    """Make them; what others need to know of it."""
    for name in ("crew-service", "crew-instance", "crew-job", "crew-execution"):
        moto.query("iam", "CreateRole", _IAM, RoleName=name, AssumeRolePolicyDocument=_TRUST)
    moto.query("iam", "CreateInstanceProfile", _IAM, InstanceProfileName="crew-instance")
    profile = {"InstanceProfileName": "crew-instance", "RoleName": "crew-instance"}
    moto.query("iam", "AddRoleToInstanceProfile", _IAM, **profile)
    subnets = _all("subnetId", moto.query("ec2", "DescribeSubnets", _EC2))
    groups = _all("groupId", moto.query("ec2", "DescribeSecurityGroups", _EC2))
    resources = {
        "type": "EC2",
        "minvCpus": 0,
        "maxvCpus": cpus,
        "desiredvCpus": 0,
        "instanceTypes": ["optimal"],
        "instanceRole": f"arn:aws:iam::{ACCOUNT}:instance-profile/crew-instance",
        "subnets": subnets[:1],
        "securityGroupIds": groups[:1],
    }
    moto.batch(
        "CreateComputeEnvironment",
        {
            "computeEnvironmentName": ENVIRONMENT,
            "type": "MANAGED",
            "state": "ENABLED",
            "computeResources": resources,
            "serviceRole": role("crew-service"),
        },
    )
    for name in (QUEUE, SECOND_QUEUE, PROOF_QUEUE):
        make_queue(moto, name)
    return {"subnet": subnets[0], "security_group": groups[0]}


def make_queue(moto: Moto, name: str) -> None:
    """Make one more queue."""
    order = [{"order": 1, "computeEnvironment": ENVIRONMENT}]
    asked = {"jobQueueName": name, "priority": 1, "state": "ENABLED"}
    moto.batch("CreateJobQueue", {**asked, "computeEnvironmentOrder": order})


def _all(element: str, text: str) -> list[str]:
    found = re.findall(f"<{element}>([^<]+)</{element}>", text)
    return list(dict.fromkeys(found))
