"""The how-to's CloudFormation template makes what crew needs, and nothing has to be added."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

import crew_core as crew
from crew_aws_batch import doctor
from crew_core.plugins import Grade
from on_aws.sight import until
from testbeds.aws_batch import AwsBatchBed
from testbeds.aws_batch.moto import ACCOUNT, REGION

pytestmark = pytest.mark.timeout(300)

TEMPLATE = Path(__file__).parents[4] / "docs" / "how-to" / "aws-batch" / "template.yaml"
PORT = 57000
MOTO_WANTS = {
    "      Type: MANAGED\n": "      ServiceRole: !GetAtt JobRole.Arn\n",
    "      Type: container\n": "      RetryStrategy: { Attempts: 1 }\n",
}
"""What AWS fills in by itself, after the lines where it would stand."""


@pytest.fixture
def stack(bed: AwsBatchBed) -> Iterator[dict[str, str]]:
    """What the template says that it has made."""
    text = TEMPLATE.read_text("utf-8")
    for line, more in MOTO_WANTS.items():
        assert text.count(line) == 1
        text = text.replace(line, line + more)
    network = boto3.client("ec2")
    subnets = network.describe_subnets()["Subnets"]
    given = {
        "Vpc": subnets[0]["VpcId"],
        "Subnets": ",".join(subnet["SubnetId"] for subnet in subnets[:2]),
        "Image": bed.image,
        "Port": str(PORT),
    }
    cloud = boto3.client("cloudformation")
    name = f"crew-{crew.random_name()}"
    cloud.create_stack(
        StackName=name,
        TemplateBody=text,
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in given.items()],
    )

    def made() -> dict[str, Any]:
        (found,) = cloud.describe_stacks(StackName=name)["Stacks"]
        return dict(found)

    until(lambda: made()["StackStatus"] == "CREATE_COMPLETE", "the stack is made")
    yield {each["OutputKey"]: each["OutputValue"] for each in made()["Outputs"]}
    cloud.delete_stack(StackName=name)


def test_cloudformations_own_rules_find_nothing_wrong(bed: AwsBatchBed) -> None:
    program = Path(bed.settings["python"]).with_name("cfn-lint")  # moto brings it
    done = subprocess.run([program, TEMPLATE], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_task_runs_with_what_it_makes(
    stack: dict[str, str], make: Callable[..., crew.Controller]
) -> None:
    controller = make(job_queue=stack["Queue"], job_definition=stack["Definition"])
    assert controller.push("6 * 7").result(120) == 42


def test_the_doctor_finds_nothing_bad_about_it(stack: dict[str, str]) -> None:
    found = doctor(job_queue=stack["Queue"], job_definition=stack["Definition"], port=PORT)
    bad = [finding.words for finding in found if finding.grade is Grade.BAD]
    assert bad == ["it is for EC2, and the queue has FARGATE"], "which moto makes of FARGATE"


def test_its_policy_allows_what_the_page_shows_and_no_more(stack: dict[str, str]) -> None:
    queue = stack["Queue"].rpartition("/")[2]
    definition = stack["Definition"].rpartition("/")[2].partition(":")[0]
    shown = (TEMPLATE.parent / "user-policy.json").read_text("utf-8")
    for word, name in {
        "REGION": REGION,
        "ACCOUNT": ACCOUNT,
        "job-queue/QUEUE": f"job-queue/{queue}",
        "job-definition/DEFINITION": f"job-definition/{definition}",
    }.items():
        shown = shown.replace(word, name)
    answer = boto3.client("iam").get_policy_version(PolicyArn=stack["UserPolicy"], VersionId="v1")
    assert allowed(answer["PolicyVersion"]["Document"]) == allowed(json.loads(shown))


def allowed(policy: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Every action of a policy with every resource that it may be done to."""
    statements = policy["Statement"]
    assert {statement["Effect"] for statement in statements} == {"Allow"}
    return {
        (action, resource)
        for statement in statements
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    }


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
