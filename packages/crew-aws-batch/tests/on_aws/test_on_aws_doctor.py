"""What workers on AWS Batch need is looked at before any is launched, on moto's AWS."""

from __future__ import annotations

import json
from typing import Any

import pytest

import crew_core as crew
from crew_aws_batch import JobDefinition, doctor
from crew_aws_batch._aws.access import Access
from crew_aws_batch._aws.clients import Clients
from crew_core.plugins import Grade
from testbeds.aws_batch import AwsBatchBed
from testbeds.aws_batch.account import role
from testbeds.aws_batch.faults import Fault
from testbeds.aws_batch.moto import ACCOUNT, REGION

pytestmark = pytest.mark.timeout(300)

ROLE = role("crew-job")
MANIFEST = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {"digest": f"sha256:{'0' * 64}", "size": 1},
        "layers": [],
    }
)


def grades(**options: Any) -> dict[str, Grade]:
    found: dict[str, Grade] = {}
    order = [Grade.GOOD, Grade.DOUBTFUL, Grade.BAD]
    for finding in doctor(**options):
        worst = max(found.get(finding.check, Grade.GOOD), finding.grade, key=order.index)
        found[finding.check] = worst
    return found


def test_what_is_well_is_found_well(bed: AwsBatchBed, definition: JobDefinition) -> None:
    definition.register(bed.image, cpus=1, memory=1, job_role_arn=ROLE)
    before = bed.calls().get("submitjob", 0)
    found = grades(job_queue=bed.queue, job_definition=definition.name)
    good = {name for name, grade in found.items() if grade is Grade.GOOD}
    assert {"identity", "region", "permissions", "queue", "machines", "definition"} <= good
    assert {"job role", "log group"} <= good
    assert Grade.BAD not in found.values()
    assert bed.calls().get("submitjob", 0) == before


def test_missing_permissions_are_named(bed: AwsBatchBed) -> None:
    bed.deny("batch:SubmitJob", "secretsmanager:CreateSecret", "logs:GetLogEvents")
    found = doctor(job_queue=bed.queue, job_definition=bed.definition)
    told = [str(finding) for finding in found if finding.check == "permissions"]
    assert "batch:SubmitJob, secretsmanager:CreateSecret" in told[0]
    assert "logs:GetLogEvents" in told[1]


@pytest.mark.parametrize(
    ("options", "check"),
    [
        ({"job_queue": "none"}, "queue"),
        ({"job_definition": "none"}, "definition"),
        ({"cpus": 1000}, "machines"),
    ],
)
def test_what_is_not_there_is_found(bed: AwsBatchBed, options: dict[str, Any], check: str) -> None:
    own = {"job_queue": bed.queue, "job_definition": bed.definition}
    assert grades(**{**own, **options})[check] is Grade.BAD


def test_a_disabled_queue_is_found(bed: AwsBatchBed) -> None:
    bed.refuse()
    try:
        found = grades(job_queue=bed.queue, job_definition=bed.definition)
    finally:
        bed.accept()
    assert found["queue"] is Grade.BAD


def test_workers_without_a_role_cannot_fetch_what_they_need(bed: AwsBatchBed) -> None:
    own = {"job_queue": bed.queue, "job_definition": bed.definition}
    assert grades(**own)["job role"] is Grade.BAD
    assert "job role" not in grades(**own, secrets="environment")


def test_expired_credentials_are_the_first_thing_said(bed: AwsBatchBed) -> None:
    expired = {"status": 403, "code": "ExpiredToken", "message": "The security token expired"}
    bed.fault(Fault("GetCallerIdentity", **expired))  # type: ignore[arg-type]
    (finding,) = doctor(job_queue=bed.queue, job_definition=bed.definition)
    assert finding.grade is Grade.BAD
    assert "log in again" in finding.words


def test_security_groups_between_workers_and_controller_are_looked_at(bed: AwsBatchBed) -> None:
    ec2 = Clients(Access()).client("ec2")
    workers, subnet = bed.settings["security_group"], bed.settings["subnet"]
    network = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["VpcId"]
    asked = {"GroupName": crew.random_name(), "Description": "a controller's", "VpcId": network}
    group = ec2.create_security_group(**asked)["GroupId"]
    interface = ec2.create_network_interface(SubnetId=subnet, Groups=[group])["NetworkInterface"]
    own = {"job_queue": bed.queue, "job_definition": bed.definition, "port": 57000}
    here = {**own, "host": interface["PrivateIpAddress"]}
    assert grades(**own)["network"] is Grade.DOUBTFUL
    assert grades(**here)["network"] is Grade.BAD
    rule = {"IpProtocol": "tcp", "FromPort": 57000, "ToPort": 57000}
    pairs = [{"GroupId": workers}]
    ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{**rule, "UserIdGroupPairs": pairs}]
    )
    assert grades(**here)["network"] is Grade.GOOD
    assert grades(**{**here, "port": "57000-57010"})["network"] is Grade.BAD


def test_an_image_in_amazons_registry_is_looked_for(
    bed: AwsBatchBed, definition: JobDefinition
) -> None:
    repository = crew.random_name()
    ecr = Clients(Access()).client("ecr")
    ecr.create_repository(repositoryName=repository)
    ecr.put_image(repositoryName=repository, imageManifest=MANIFEST, imageTag="1")
    own = {"job_queue": bed.queue, "job_definition": definition.name}
    for image, grade in (
        (f"{repository}:1", Grade.GOOD),
        (f"{repository}:2", Grade.BAD),
        ("nobody-has-this:1", Grade.BAD),
    ):
        where = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{image}"
        definition.register(where, cpus=1, memory=1)
        assert grades(**own)["image"] is grade, image
    definition.register(f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/x:1", cpus=1, memory=1)
    assert grades(**own)["image"] is Grade.DOUBTFUL


def test_a_definition_for_fargate_does_not_fit_a_queue_of_instances(
    bed: AwsBatchBed, definition: JobDefinition
) -> None:
    definition.register(
        bed.image,
        cpus=1,
        memory=2048,
        memory_units="mebibytes",
        platform_capabilities="FARGATE",
        execution_role_arn=role("crew-execution"),
    )
    found = doctor(job_queue=bed.queue, job_definition=definition.name)
    told = [str(finding) for finding in found if finding.check == "definition"]
    assert any("it is for FARGATE, and the queue has EC2" in words for words in told)


def test_a_missing_log_group_is_found(bed: AwsBatchBed, definition: JobDefinition) -> None:
    group = f"/crew/{crew.random_name()}"
    options = {"awslogs-group": group}
    definition.register(bed.image, cpus=1, memory=1, log_driver="awslogs", log_options=options)
    own = {"job_queue": bed.queue, "job_definition": definition.name}
    assert grades(**own)["log group"] is Grade.BAD
    Clients(Access()).call("logs", "create_log_group", logGroupName=group)
    assert grades(**own)["log group"] is Grade.GOOD
