"""A job is submitted once: none is doubled, none is lost, whatever becomes of the answer."""

from __future__ import annotations

import pytest

from crew_aws_batch._aws.errors import AwsError, Trouble
from crew_aws_batch._launcher.backoff import pauses
from crew_aws_batch._launcher.sending import GIVEN_UP, DoubtError, Sender
from loopback.aws import Fault, LoopbackAws

JOB = {"jobName": "crew-c-i1", "jobQueue": "q", "jobDefinition": "d"}


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def sender(aws: LoopbackAws, clock: Time) -> Sender:
    return Sender(aws.clients(), clock.sleep, clock)


def test_a_throttled_submission_is_sent_again_later(
    aws: LoopbackAws, sender: Sender, clock: Time
) -> None:
    aws.faults = [Fault("SubmitJob", times=3)]
    assert sender.send(JOB) == "job-1"
    assert aws.names() == ["crew-c-i1"]
    assert clock.now > 2.0


def test_patience_ends(aws: LoopbackAws, sender: Sender, clock: Time) -> None:
    aws.faults = [Fault("SubmitJob", times=-1)]
    with pytest.raises(AwsError) as caught:
        sender.send(JOB)
    assert caught.value.trouble is Trouble.THROTTLED
    assert caught.value.transient
    assert aws.calls["SubmitJob"] < 10


@pytest.mark.parametrize(
    "fault",
    [
        Fault("SubmitJob", lost="after"),
        Fault("SubmitJob", lost="after", times=2),
    ],
)
def test_a_job_whose_answer_was_lost_is_found_by_its_name(
    aws: LoopbackAws, sender: Sender, fault: Fault
) -> None:
    aws.faults = [fault]
    assert sender.send(JOB) == "job-1"
    assert aws.names() == ["crew-c-i1"]
    assert aws.calls["SubmitJob"] == 1


def test_a_job_that_ended_before_it_was_found_is_found(aws: LoopbackAws, sender: Sender) -> None:
    Sender(aws.clients()).send(JOB)
    aws.turn("job-1", "FAILED")
    aws.faults = [Fault("SubmitJob", lost="before")]
    assert sender.send(JOB) == "job-1"


@pytest.mark.parametrize(
    "fault",
    [
        Fault("SubmitJob", lost="before"),
        Fault("SubmitJob", status=500, code="ServerException"),
    ],
)
def test_nobody_claims_a_job_that_is_not_found(
    aws: LoopbackAws, sender: Sender, fault: Fault
) -> None:
    aws.faults = [fault]
    with pytest.raises(DoubtError):
        sender.send(JOB)
    assert aws.calls["SubmitJob"] == 1
    assert aws.names() == []


def test_a_job_that_comes_up_late_is_ended(aws: LoopbackAws, sender: Sender, clock: Time) -> None:
    aws.faults = [Fault("SubmitJob", lost="late")]
    with pytest.raises(DoubtError):
        sender.send(JOB)
    sender.settle_doubts(at_once=True)
    aws.catch_up()
    sender.settle_doubts()
    assert aws.jobs["job-1"]["status"] == "SUBMITTED"  # it is not asked too often
    clock.sleep(60)
    sender.settle_doubts()
    assert aws.jobs["job-1"]["statusReason"] == GIVEN_UP
    asked = aws.calls["ListJobs"]
    clock.sleep(60)
    sender.settle_doubts()
    assert aws.calls["ListJobs"] == asked  # nothing is in doubt any more


def test_doubts_end(aws: LoopbackAws, sender: Sender, clock: Time) -> None:
    aws.faults = [Fault("SubmitJob", lost="before")]
    with pytest.raises(DoubtError):
        sender.send(JOB)
    clock.sleep(3600)
    sender.settle_doubts()
    asked = aws.calls["ListJobs"]
    clock.sleep(3600)
    sender.settle_doubts()
    assert aws.calls["ListJobs"] == asked


def test_whoever_may_not_list_jobs_is_in_doubt(aws: LoopbackAws, sender: Sender) -> None:
    aws.faults = [
        Fault("SubmitJob", lost="after"),
        Fault("ListJobs", status=403, code="AccessDeniedException", times=-1),
    ]
    with pytest.raises(DoubtError):
        sender.send(JOB)


def test_expired_credentials_are_looked_for_again_once(aws: LoopbackAws, sender: Sender) -> None:
    expired = {"status": 403, "code": "ExpiredTokenException"}
    aws.faults = [Fault("SubmitJob", **expired)]  # type: ignore[arg-type]
    assert sender.send(JOB) == "job-1"
    aws.faults = [Fault("SubmitJob", times=-1, **expired)]  # type: ignore[arg-type]
    with pytest.raises(AwsError, match="log in again"):
        sender.send(JOB)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("SubmitJob", lost="never"),
        Fault("SubmitJob", status=400, code="ClientException", words="no such queue"),
        Fault("SubmitJob", status=403, code="AccessDeniedException"),
    ],
)
def test_what_was_surely_not_done_is_not_looked_for(
    aws: LoopbackAws, sender: Sender, fault: Fault
) -> None:
    aws.faults = [fault]
    with pytest.raises(AwsError):
        sender.send(JOB)
    assert aws.calls["ListJobs"] == 0


def test_pauses_grow_and_end() -> None:
    found = list(pauses(1.0, 8.0, 20.0))
    assert sum(found) == pytest.approx(20.0)
    assert all(pause <= 8.0 for pause in found)
    assert 0.5 <= found[0] <= 1.0
