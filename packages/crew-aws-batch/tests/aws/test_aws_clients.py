"""Clients ask as whom they are told, where they are told, and once where it must be once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crew_aws_batch._aws.access import Access
from crew_aws_batch._aws.clients import Clients
from crew_aws_batch._aws.errors import AwsError, Trouble
from crew_core.plugins import ConfigError
from loopback.aws import ACCESS, Fault, LoopbackAws

SUBMISSION: dict[str, Any] = {"jobName": "a", "jobQueue": "q", "jobDefinition": "d"}


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.mark.usefixtures("nowhere")
def test_without_a_region_it_says_how_to_give_one() -> None:
    with pytest.raises(ConfigError, match=r"no AWS region is known: say region="):
        Clients(Access()).call("batch", "describe_jobs", jobs=["a"])


@pytest.mark.usefixtures("nowhere")
def test_regions_are_found_in_the_order_of_their_nearness(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[profile me]\nregion = eu-north-1\n")
    assert Clients(Access(profile="me")).region == "eu-north-1"
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    assert Clients(Access()).region == "eu-west-2"
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    assert Clients(Access()).region == "eu-west-3"
    assert Clients(Access(region="eu-central-1")).region == "eu-central-1"


@pytest.mark.usefixtures("nowhere")
def test_unknown_profiles_and_missing_credentials_are_told_in_plain_words() -> None:
    with pytest.raises(AwsError, match="nobody") as caught:
        Clients(Access(region="eu-west-1", profile="nobody")).client("batch")
    assert caught.value.trouble is Trouble.NO_CREDENTIALS
    with pytest.raises(AwsError, match="aws configure") as caught:
        Clients(Access(region="eu-west-1")).call("batch", "describe_jobs", jobs=["a"])
    assert caught.value.trouble is Trouble.NO_CREDENTIALS


def test_lost_answers_are_asked_for_again_unless_it_is_to_be_once(aws: LoopbackAws) -> None:
    aws.faults = [Fault("DescribeJobs", lost="after")]
    clients = aws.clients()
    assert clients.call("batch", "describe_jobs", jobs=["a"])["jobs"] == []
    assert aws.calls["DescribeJobs"] == 2
    aws.faults = [Fault("SubmitJob", lost="after")]
    with pytest.raises(AwsError) as caught:
        clients.call("batch", "submit_job", once=True, **SUBMISSION)
    assert caught.value.unsure
    assert aws.calls["SubmitJob"] == 1


def test_configuration_of_the_users_cannot_make_it_submit_twice(aws: LoopbackAws) -> None:
    config = {"retries": {"mode": "standard", "total_max_attempts": 4}}
    access = Access(region="eu-west-1", credentials=ACCESS.credentials, config=config)
    aws.faults = [Fault("SubmitJob", status=500, code="ServerException", times=-1)]
    with pytest.raises(AwsError):
        aws.clients(access).call("batch", "submit_job", once=True, **SUBMISSION)
    assert aws.calls["SubmitJob"] == 1


def test_pages_are_followed_to_the_end(aws: LoopbackAws) -> None:
    clients = aws.clients()
    for number in range(5):
        clients.call("batch", "submit_job", **{**SUBMISSION, "jobName": f"a{number}"})
    filters = [{"name": "JOB_NAME", "values": ["a*"]}]
    found = clients.pages(
        "batch", "list_jobs", "jobSummaryList", jobQueue="q", filters=filters, maxResults=2
    )
    assert [job["jobName"] for job in found] == ["a4", "a3", "a2", "a1", "a0"]
    assert aws.calls["ListJobs"] == 3


def test_what_is_none_is_not_sent(aws: LoopbackAws) -> None:
    aws.clients().call("batch", "submit_job", **SUBMISSION, shareIdentifier=None)
    assert "shareIdentifier" not in aws.asked("SubmitJob")[0]
