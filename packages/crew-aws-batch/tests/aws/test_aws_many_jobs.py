"""Many jobs are asked about and ended with few requests."""

from __future__ import annotations

import pytest

from crew_aws_batch._aws.describe import describe, listed
from crew_aws_batch._aws.ending import end
from crew_aws_batch._aws.errors import Trouble
from loopback.aws import Fault, LoopbackAws


@pytest.fixture
def names(aws: LoopbackAws) -> list[str]:
    clients = aws.clients()
    return [
        clients.call("batch", "submit_job", jobName=f"a{n}", jobQueue="q", jobDefinition="d")[
            "jobId"
        ]
        for n in range(120)
    ]


def test_a_hundred_jobs_are_described_at_a_time(aws: LoopbackAws, names: list[str]) -> None:
    found = describe(aws.clients(), [*names, "unknown"])
    assert list(found) == names
    assert [len(asked["jobs"]) for asked in aws.asked("DescribeJobs")] == [100, 21]


def test_jobs_are_listed_by_the_beginning_of_their_names(
    aws: LoopbackAws, names: list[str]
) -> None:
    found = [job["jobName"] for job in listed(aws.clients(), "q", "a11")]
    assert found == [f"a{n}" for n in (119, 118, 117, 116, 115, 114, 113, 112, 111, 110, 11)]


def test_fifty_jobs_are_ended_at_a_time(aws: LoopbackAws, names: list[str]) -> None:
    assert end(aws.clients(), names, "over") == {}
    assert aws.calls["TerminateJobs"] == 3
    assert {job["statusReason"] for job in aws.jobs.values()} == {"over"}


def test_they_are_ended_one_by_one_where_aws_can_do_no_more(
    aws: LoopbackAws, names: list[str]
) -> None:
    aws.lacks = {"TerminateJobs"}
    assert end(aws.clients(), names[:3], "over") == {}
    assert aws.calls["TerminateJob"] == 3
    assert [job["status"] for job in aws.jobs.values()][:4] == [*["FAILED"] * 3, "SUBMITTED"]


def test_jobs_that_are_gone_are_nothing_wrong(aws: LoopbackAws) -> None:
    words = "Job not found"
    aws.faults = [Fault("TerminateJob", status=400, code="ClientException", words=words)]
    assert end(aws.clients(), ["gone"], "over") == {}


def test_what_was_not_ended_is_told(aws: LoopbackAws, names: list[str]) -> None:
    denied = {"status": 403, "code": "AccessDeniedException", "times": -1}
    aws.faults = [Fault("TerminateJobs", **denied), Fault("TerminateJob", **denied)]  # type: ignore[arg-type]
    failed = end(aws.clients(), names[:2], "over")
    assert {error.trouble for error in failed.values()} == {Trouble.DENIED}
    assert set(failed) == set(names[:2])
