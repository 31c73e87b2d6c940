"""Names, tags and amounts are written as AWS takes them."""

from __future__ import annotations

import pytest

from crew_aws_batch._aws.names import common_prefixes, element, job_name, parse, split
from crew_aws_batch._aws.resources import mebibytes, requirements
from crew_aws_batch._aws.tags import is_of, job_tags, owner


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("crew-a.b-1", "crew-a_b-1"),
        ("_crew-dot.dot", "x_crew-dot_dot"),
        ("x" * 200, "x" * 128),
        ("", "x"),
    ],
)
def test_names_are_cleaned(text: str, name: str) -> None:
    assert job_name(text) == name


def test_names_tell_controller_and_instance() -> None:
    assert parse("crew-my-run-0a1b") == ("my-run", "0a1b")
    assert parse("somebody-elses") == (None, None)


def test_children_are_named_after_their_array() -> None:
    assert element("id", 4) == "id:4"
    assert split("id:4") == ("id", 4)
    assert split(element("id", None)) == ("id", None)


def test_jobs_of_a_controller_have_a_beginning_in_common() -> None:
    assert common_prefixes(["crew-a.b-1", "crew-a.b-2", "crew-c-1"]) == {"crew-a_b-", "crew-c-"}


def test_tags_say_whose_a_job_is() -> None:
    tags = job_tags("run", "aws_batch", "me!", "host", {"team": "a"})
    assert tags["team"] == "a"
    assert owner(tags) == ("run", "me_", "host")
    assert is_of(tags, "me!")
    assert not is_of(tags, "you")
    assert not is_of(None, "me!")


@pytest.mark.parametrize(
    ("amount", "units", "told"),
    [
        (1, "gigabytes", 954),
        (2, "gigabytes", 1907),
        (234, "gigabytes", 223160),
        (512, "mebibytes", 512),
        (0.5, "gigabytes", 477),
    ],
)
def test_memory_is_in_mebibytes(amount: float, units: str, told: int) -> None:
    assert mebibytes(amount, units) == told


def test_requirements_are_texts() -> None:
    assert requirements(0.5, 1, 2) == [
        {"type": "MEMORY", "value": "1907"},
        {"type": "VCPU", "value": "0.5"},
        {"type": "GPU", "value": "1"},
    ]
    assert requirements(16.0) == [{"type": "VCPU", "value": "16"}]
    assert requirements(gpus=0) == []
