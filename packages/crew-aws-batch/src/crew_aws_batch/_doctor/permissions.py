"""The permissions that crew needs on AWS, by name. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from crew_aws_batch._bootstrap import PARAMETER_STORE, SECRETS_MANAGER

LAUNCHING = (
    "batch:SubmitJob",
    "batch:TagResource",
    "batch:DescribeJobs",
    "batch:ListJobs",
    "batch:TerminateJob",
)
"""Without these nothing is launched, or what is launched is not ended."""

SHOWING = ("logs:GetLogEvents", "batch:DescribeJobQueues", "batch:DescribeComputeEnvironments")
"""Without these less is seen: no output of jobs, no reasons why they wait."""

EXAMINING = (
    "batch:DescribeJobDefinitions",
    "logs:DescribeLogGroups",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeNetworkInterfaces",
    "ecr:DescribeImages",
    "iam:SimulatePrincipalPolicy",
)
"""Without these the doctor sees less."""

_STORING = {
    SECRETS_MANAGER: (
        "secretsmanager:CreateSecret",
        "secretsmanager:TagResource",
        "secretsmanager:DeleteSecret",
        "secretsmanager:ListSecrets",
    ),
    PARAMETER_STORE: (
        "ssm:PutParameter",
        "ssm:AddTagsToResource",
        "ssm:DeleteParameters",
        "ssm:DescribeParameters",
    ),
}
_FETCHING = {
    SECRETS_MANAGER: ("secretsmanager:GetSecretValue", "secretsmanager:DeleteSecret"),
    PARAMETER_STORE: ("ssm:GetParameter", "ssm:DeleteParameter"),
}


def of_user(secrets: str) -> Sequence[str]:
    """What whoever launches must be permitted.

    Args:
        secrets: the launcher's option of this name.
    """
    return (*LAUNCHING, *_STORING.get(secrets, ()))


def of_job(secrets: str) -> Sequence[str]:
    """What a job's own role must be permitted."""
    return _FETCHING.get(secrets, ())


def role_arn(identity: str) -> str:
    """The role, or the user, of whom IAM is asked.

    Args:
        identity: as STS names the caller: of a role that was assumed it names the session.
    """
    if ":assumed-role/" not in identity:
        return identity
    partition, account = identity.split(":")[1], identity.split(":")[4]
    role = identity.partition(":assumed-role/")[2].partition("/")[0]
    return f"arn:{partition}:iam::{account}:role/{role}"
