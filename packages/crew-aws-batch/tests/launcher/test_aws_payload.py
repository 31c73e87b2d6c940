"""Options become requests that AWS takes, by its own description of its interface."""

from __future__ import annotations

from typing import Any

import pytest

from crew_aws_batch._launcher.options import AwsBatchOptions
from crew_aws_batch._launcher.payload import Submission, request
from loopback.model import problems

ONE = Submission("crew-c-i1", 1, ["python3", "-m", "x"], {}, {"crew-controller": "c"})


def made(submission: Submission = ONE, **more: Any) -> dict[str, Any]:
    parameters = request(AwsBatchOptions(job_queue="q", job_definition="d:3", **more), submission)
    assert problems("SubmitJob", parameters) == []
    return parameters


def test_little_is_sent_where_little_is_said() -> None:
    assert made() == {
        "jobName": "crew-c-i1",
        "jobQueue": "q",
        "jobDefinition": "d:3",
        "retryStrategy": {"attempts": 1},
        "tags": {"crew-controller": "c"},
        "containerOverrides": {"command": ["python3", "-m", "x"]},
    }


def test_all_is_sent_that_is_said() -> None:
    evaluate = [{"onStatusReason": "Host EC2*", "action": "RETRY"}]
    strategy = {"attempts": 3, "evaluateOnExit": evaluate}
    parameters = made(
        cpus=2,
        gpus=1,
        memory=4,
        retry_strategy=strategy,
        timeout=600,
        parameters={"a": "1"},
        propagate_tags=True,
        share_identifier="team",
        scheduling_priority_override=7,
    )
    assert parameters["retryStrategy"] == strategy
    assert parameters["timeout"] == {"attemptDurationSeconds": 600}
    assert parameters["parameters"] == {"a": "1"}
    assert parameters["propagateTags"] is True
    assert parameters["shareIdentifier"] == "team"
    assert parameters["schedulingPriorityOverride"] == 7
    assert parameters["containerOverrides"]["resourceRequirements"] == [
        {"type": "MEMORY", "value": "3815"},
        {"type": "VCPU", "value": "2"},
        {"type": "GPU", "value": "1"},
    ]


def test_several_workers_are_an_array_and_one_is_not() -> None:
    assert made(ONE._replace(workers=2))["arrayProperties"] == {"size": 2}
    assert "arrayProperties" not in made()


def test_what_crew_says_of_a_container_goes_first() -> None:
    overrides = {
        "instanceType": "m5.large",
        "environment": [{"name": "A", "value": "1"}, {"name": "CREW_START_0", "value": "mine"}],
        "resourceRequirements": [
            {"type": "MEMORY", "value": "1"},
            {"type": "GPU", "value": "2"},
        ],
    }
    submission = ONE._replace(variables={"CREW_START_0": "x"})
    container = made(submission, memory=1, container_overrides=overrides)["containerOverrides"]
    assert container["instanceType"] == "m5.large"
    assert container["environment"] == [
        {"name": "A", "value": "1"},
        {"name": "CREW_START_0", "value": "x"},
    ]
    assert container["resourceRequirements"] == [
        {"type": "MEMORY", "value": "954"},
        {"type": "GPU", "value": "2"},
    ]


def test_the_worker_of_several_nodes_is_on_the_first() -> None:
    other = {"targetNodes": "1:", "instanceTypes": ["c5.large"]}
    nodes = {"numNodes": 3, "nodePropertyOverrides": [other]}
    parameters = made(node_overrides=nodes, memory=1)
    assert "containerOverrides" not in parameters
    main, kept = parameters["nodeOverrides"]["nodePropertyOverrides"]
    assert parameters["nodeOverrides"]["numNodes"] == 3
    assert main["targetNodes"] == "0"
    assert main["containerOverrides"]["command"] == ["python3", "-m", "x"]
    assert kept == other


def test_a_pods_first_container_runs_the_worker() -> None:
    pod = {"podProperties": {"containers": [{"name": "main", "image": "i"}, {"name": "side"}]}}
    submission = ONE._replace(variables={"CREW_START_0": "x"})
    found = made(submission, eks_properties_override=pod, cpus=2, memory=1, gpus=1)
    main, side = found["eksPropertiesOverride"]["podProperties"]["containers"]
    assert (main["command"], main["args"]) == (["python3"], ["-m", "x"])
    amounts = {"cpu": "2", "memory": "954Mi", "nvidia.com/gpu": "1"}
    assert main["resources"] == {"limits": amounts, "requests": amounts}
    assert main["env"] == [{"name": "CREW_START_0", "value": "x"}]
    assert side == {"name": "side"}


def test_an_empty_table_says_that_it_is_a_pod() -> None:
    found = made(eks_properties_override={})["eksPropertiesOverride"]
    assert found["podProperties"]["containers"] == [{"command": ["python3"], "args": ["-m", "x"]}]


def test_the_users_own_tables_stay_as_they_are() -> None:
    overrides: dict[str, Any] = {"environment": [{"name": "A", "value": "1"}]}
    made(ONE._replace(variables={"B": "2"}), container_overrides=overrides, memory=1)
    assert overrides == {"environment": [{"name": "A", "value": "1"}]}


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"jobName": "a", "jobQueue": "q"}, "jobDefinition"),
        ({"jobName": "a", "jobQueue": "q", "jobDefinition": "d", "tagz": {}}, "tagz"),
    ],
)
def test_the_check_itself_finds_what_aws_would_refuse(
    parameters: dict[str, Any], words: str
) -> None:
    assert words in "".join(problems("SubmitJob", parameters))


def test_the_check_itself_finds_words_that_aws_does_not_know() -> None:
    wrong = {"resourceRequirements": [{"type": "RAM", "value": "1"}]}
    parameters = {
        "jobName": "a",
        "jobQueue": "q",
        "jobDefinition": "d",
        "containerOverrides": wrong,
    }
    assert "RAM" in "".join(problems("SubmitJob", parameters))
