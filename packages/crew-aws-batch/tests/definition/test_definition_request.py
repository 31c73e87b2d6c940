"""What RegisterJobDefinition is sent, checked by the API's own model."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from crew_aws_batch import JobDefinition
from crew_core.plugins import ConfigError

ROLE = "arn:aws:iam::123456789012:role/crew"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:key"

EVERYTHING: dict[str, Any] = {
    "cpus": 2,
    "memory": 4,
    "command": ["true"],
    "environment": {"A": "1"},
    "secrets": {"KEY": SECRET},
    "volumes": {"/efs": "fs-12345678:/below:ro"},
    "user": "worker",
    "read_only": True,
    "init": True,
    "job_role_arn": ROLE,
    "execution_role_arn": ROLE,
    "log_options": {"mode": "non-blocking"},
    "seconds_timeout": 3600,
    "retry_strategy": {"attempts": 2, "evaluateOnExit": [{"onExitCode": "1", "action": "RETRY"}]},
    "scheduling_priority": 5,
    "parameters": {"name": "value"},
    "tags": {"project": "x"},
    "propagate_tags": True,
}
ON_EC2 = {"gpus": 1, "privileged": True, "shared_memory": 1024}
ON_FARGATE = {
    "platform_capabilities": "FARGATE",
    "ephemeral_storage": 50,
    "assign_public_ip": True,
    "platform_version": "1.4.0",
    "architecture": "ARM64",
    "memory": 4096,
    "memory_units": "mebibytes",
}


@pytest.fixture
def definition() -> JobDefinition:
    return JobDefinition("worker", "queue", region="us-east-1")


def complaints(request: dict[str, Any]) -> str:
    """What AWS's own model finds wrong, and members that it does not know."""
    model = botocore.session.Session().get_service_model("batch")
    shape = model.operation_model("RegisterJobDefinition").input_shape
    report: str = ParamValidator().validate(request, shape).generate_report()
    return report


@pytest.mark.parametrize("more", [{}, ON_EC2, ON_FARGATE], ids=["least", "ec2", "fargate"])
def test_every_option_is_as_the_model_of_the_api_has_it(
    definition: JobDefinition, more: dict[str, Any]
) -> None:
    assert complaints(definition.request("image", **{**EVERYTHING, **more})) == ""


def test_the_models_check_can_fail(definition: JobDefinition) -> None:
    request = definition.request("image", cpus=1, memory=1)
    request["containerProperties"]["imagee"] = "x"
    assert "imagee" in complaints(request)


def test_roles_are_sent(definition: JobDefinition) -> None:
    request = definition.request(
        "image", cpus=1, memory=2, job_role_arn=ROLE + "-job", execution_role_arn=ROLE + "-own"
    )
    container = request["containerProperties"]
    assert container["jobRoleArn"] == ROLE + "-job"
    assert container["executionRoleArn"] == ROLE + "-own"


@pytest.mark.parametrize(("gigabytes", "mebibytes"), [(1, "954"), (2, "1907"), (234, "223160")])
def test_a_gigabyte_is_a_thousand_million_bytes(
    definition: JobDefinition, gigabytes: int, mebibytes: str
) -> None:
    needs = definition.request("image", cpus=1, memory=gigabytes)["containerProperties"]
    assert {"type": "MEMORY", "value": mebibytes} in needs["resourceRequirements"]


def test_output_goes_to_the_log_group_under_the_definitions_name() -> None:
    own = JobDefinition("worker", log_group="/crew", region="eu-west-1")
    assert own.request("image", cpus=1, memory=1)["containerProperties"]["logConfiguration"] == {
        "logDriver": "awslogs",
        "options": {
            "awslogs-group": "/crew",
            "awslogs-region": "eu-west-1",
            "awslogs-stream-prefix": "worker",
        },
    }


def test_another_log_driver_has_its_own_options(definition: JobDefinition) -> None:
    request = definition.request(
        "image",
        cpus=1,
        memory=1,
        log_driver="splunk",
        log_options={"splunk-url": "https://x"},
        log_secrets={"splunk-token": SECRET},
    )
    assert request["containerProperties"]["logConfiguration"] == {
        "logDriver": "splunk",
        "options": {"splunk-url": "https://x"},
        "secretOptions": [{"name": "splunk-token", "valueFrom": SECRET}],
    }


def test_volumes_are_mounted_where_the_table_says(definition: JobDefinition) -> None:
    container = definition.request(
        "image",
        cpus=1,
        memory=1,
        volumes={
            "/scratch": "/mnt/scratch",
            "/data": "fs-1:/below:ro",
            "/own": {"efsVolumeConfiguration": {"fileSystemId": "fs-2"}, "readOnly": True},
        },
    )["containerProperties"]
    assert container["volumes"] == [
        {"name": "volume-1", "host": {"sourcePath": "/mnt/scratch"}},
        {
            "name": "volume-2",
            "efsVolumeConfiguration": {
                "fileSystemId": "fs-1",
                "rootDirectory": "/below",
                "transitEncryption": "ENABLED",
            },
        },
        {"name": "volume-3", "efsVolumeConfiguration": {"fileSystemId": "fs-2"}},
    ]
    assert [(m["containerPath"], m["readOnly"]) for m in container["mountPoints"]] == [
        ("/scratch", False),
        ("/data", True),
        ("/own", True),
    ]


def test_what_aws_knows_beyond_the_keywords_wins(definition: JobDefinition) -> None:
    more = {"ulimits": [{"name": "nofile", "softLimit": 1, "hardLimit": 1}], "image": "other"}
    container = definition.request("image", cpus=1, memory=1, container_properties=more)
    assert container["containerProperties"]["ulimits"] == more["ulimits"]
    assert container["containerProperties"]["image"] == "other"


FARGATE = {"platform_capabilities": "FARGATE", "execution_role_arn": ROLE}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cpus": 1}, "memory= is missing"),
        ({"memory": 1}, "cpus= is missing"),
        ({"cpus": 0, "memory": 1}, "cpus=0: must be above zero"),
        ({"cpus": 1, "memory": 1, "memory_units": "GB"}, "memory_units='GB'"),
        ({"cpus": 1, "memory": 1, "seconds_timeout": 59}, "60 s at least"),
        ({"cpus": 1, "memory": 1, "comand": ["x"]}, "Did you mean 'command'"),
        ({"cpus": 1, "memory": 1, "platform_capabilities": "LAMBDA"}, "'EC2' or 'FARGATE'"),
        ({"cpus": 1, "memory": 1, "ephemeral_storage": 30}, "needs platform_capabilities"),
        ({"cpus": 1, "memory": 2, "platform_capabilities": "FARGATE"}, "execution_role_arn= is"),
        ({**FARGATE, "cpus": 3, "memory": 2}, "Fargate has 0.25, 0.5, 1, 2"),
        ({**FARGATE, "cpus": 1, "memory": 2}, "nearest is memory=2048"),
        ({**FARGATE, "cpus": 1, "memory": 2, "gpus": 1}, "gpus= needs"),
        ({"cpus": 1, "memory": 1, "secrets": {"A": SECRET}}, "needs execution_role_arn="),
        (
            {
                **{"cpus": 1, "memory": 1, "execution_role_arn": ROLE},
                **{"secrets": {"A": SECRET}, "environment": {"A": "1"}},
            },
            "only one can say it",
        ),
        ({"cpus": 1, "memory": 1, "environment": {"AWS_BATCH_X": "1"}}, "AWS's own"),
        ({"cpus": 1, "memory": 1, "volumes": {"/a": "data"}}, "a folder of the host"),
        ({"cpus": 1, "memory": 1, "scheduling_priority": 10000}, "0 to 9999"),
    ],
)
def test_what_aws_would_refuse_is_refused_before(
    definition: JobDefinition, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        definition.request("image", **options)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [{"tags": ["a=1"]}, {"environment": {"A": 1}}, {"command": "sleep 1"}, {"cpus": "1"}],
)
def test_a_value_of_the_wrong_type_is_refused(
    definition: JobDefinition, options: dict[str, Any]
) -> None:
    with pytest.raises(TypeError):
        definition.request("image", **{"cpus": 1, "memory": 1, **options})


@pytest.mark.parametrize("name", ["", "-x", "a b", "x" * 129])
def test_a_name_that_aws_would_refuse_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="letters, digits"):
        JobDefinition(name)
