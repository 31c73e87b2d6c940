"""AWS Batch as testbeds bring it up, and controllers on it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import crew_core as crew
from crew_aws_batch import JobDefinition
from on_aws.hold import Hold
from testbeds.aws_batch import AwsBatchBed
from testbeds.aws_batch.options import AwsBatchOptions
from testbeds.fixtures import brought_up

MakeController = Callable[..., crew.Controller]


@pytest.fixture(scope="session")
def aws_batch_processes() -> Iterator[AwsBatchBed]:
    """A bed whose jobs are processes, which see the folders of tests as containers do not."""
    with brought_up(AwsBatchBed, AwsBatchOptions(jobs="processes")) as bed:
        yield bed


@pytest.fixture
def own_options(bed: AwsBatchBed) -> dict[str, Any]:
    """What every controller of a test needs here: where its jobs go, and where they find it."""
    return {
        "job_queue": bed.queue,
        "job_definition": bed.definition,
        "python": sys.executable if bed.jobs == "processes" else "python",
        "host": "0.0.0.0",
        "host_advertised": bed.address,
        "seconds_poll": 1.0,
    }


@pytest.fixture
def make(own_options: dict[str, Any]) -> Iterator[MakeController]:
    """Make controllers on AWS Batch, which end with the test."""
    made: list[crew.Controller] = []

    def make(**options: Any) -> crew.Controller:
        own = {"name": crew.random_name(), **own_options}
        controller = crew.controller("aws_batch", **{**own, **options})
        made.append(controller)
        return controller

    yield make
    for controller in made:
        controller.terminate()


@pytest.fixture
def hold(bed: AwsBatchBed) -> Iterator[Hold]:
    """What a task waits for until the test says that it is enough."""
    made = Hold(bed)
    yield made
    made.release()


@pytest.fixture
def definition(bed: AwsBatchBed) -> Iterator[JobDefinition]:
    """A job definition of the test's own, of which there is no revision yet."""
    made = JobDefinition(crew.random_name(), bed.queue)
    yield made
    for arn in made.describe(active=True)["arn"]:
        bed.ask_batch("DeregisterJobDefinition", {"jobDefinition": arn})
