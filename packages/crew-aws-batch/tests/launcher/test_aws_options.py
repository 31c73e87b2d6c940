"""Options of workers are checked when they are made, and may be ladders."""

from __future__ import annotations

import math
from typing import Any

import pytest

import crew_core as crew
from crew_aws_batch._launcher.launcher import AwsBatchLauncher
from crew_aws_batch._launcher.options import LADDERS, AwsBatchOptions
from crew_core.plugins import ConfigError

WHERE: dict[str, Any] = {"job_queue": "q", "job_definition": "d", "region": "eu-west-1"}


def options(**more: Any) -> AwsBatchOptions:
    return AwsBatchOptions(**{**WHERE, **more})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"job_queue": None}, "job_queue is missing"),
        ({"job_definition": None}, "job_definition is missing"),
        ({"cpus": 0}, "cpus=0: must be a number above 0"),
        ({"memory": (4, -1)}, "memory=-1"),
        ({"memory": ()}, "at least one step"),
        ({"memory_units": "GB"}, "gigabytes, mebibytes"),
        ({"gpus": -1}, "at least 0"),
        ({"timeout": 59}, "at least 60"),
        ({"timeout": {"attemptDurationSeconds": 5}}, "at least 60"),
        ({"timeout": {"seconds": 500}}, "unknown key 'seconds'"),
        ({"array_size": 10_001}, "from 1 to 10000"),
        ({"secrets": "nowhere"}, "secrets_manager, parameter_store, environment"),
        ({"container_overrides": {"command": ["sleep"]}}, "leave out the command"),
        ({"container_overrides": {"cpus": 2}}, "unknown key 'cpus'"),
        ({"container_overrides": {}, "node_overrides": {}}, "different kinds"),
        ({"tags": {"crew-user": "me"}}, "crew's own"),
        ({"tags": {str(n): "" for n in range(47)}}, "46 at most"),
        ({"role": "me"}, "must be an ARN"),
    ],
)
def test_impossible_values_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        options(**given)


@pytest.mark.parametrize(
    "given", [{"tags": ["a=1"]}, {"parameters": {"a": 1}}, {"gpus": 0.5}, {"job_queue": 7}]
)
def test_wrong_types_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        options(**given)


def test_options_come_flat_from_a_controller() -> None:
    controller = crew.controller(
        "aws_batch", **WHERE, memory=[4, 8, 16], tags={"team": "a"}, timeout=[600, 1200]
    )
    launcher = controller.launcher
    assert launcher.steps == 3
    assert [launcher.options_at(step).memory for step in range(4)] == [4, 8, 16, 16]
    assert [launcher.seconds_life(step) for step in range(3)] == [600, 1200, 1200]


def test_an_unknown_option_is_named_with_its_neighbour() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'job_queue'"):
        crew.controller("aws_batch", **WHERE, job_qeue="q")


@pytest.mark.parametrize("name", LADDERS)
def test_each_ladder_may_be_a_list(name: str) -> None:
    values: dict[str, Any] = {"memory_units": ["gigabytes", "mebibytes"], "timeout": [60, 120]}
    words = ["a", "b"] if name.startswith("job_") else [1, 2]
    launcher = AwsBatchLauncher(options(**{name: values.get(name, words)}))
    assert launcher.steps == 2


def test_a_job_without_a_timeout_may_live_for_ever() -> None:
    assert AwsBatchLauncher(options()).seconds_life(0) == math.inf


def test_timeouts_are_said_in_either_way() -> None:
    assert options(timeout={"attemptDurationSeconds": 90}).seconds_job == 90
    assert options(timeout=90).seconds_job == 90
