"""Few questions tell what has become of many workers."""

from __future__ import annotations

from typing import Any

from crew_aws_batch._launcher.handle import Handle, handles_of
from crew_aws_batch._launcher.look import look, waits_whole
from crew_aws_batch._launcher.queues import Queues
from crew_core.plugins import JobState
from loopback.aws import Fault, LoopbackAws


def launched(aws: LoopbackAws, count: int, name: str = "crew-c-i1") -> list[Handle]:
    array: dict[str, Any] = {"arrayProperties": {"size": count}} if count > 1 else {}
    answer = aws.clients().call(
        "batch", "submit_job", jobName=name, jobQueue="q", jobDefinition="d", **array
    )
    return handles_of(answer["jobId"], name, count)


def test_plain_jobs_and_children_are_asked_about_together(aws: LoopbackAws) -> None:
    handles = [*launched(aws, 3), *launched(aws, 1)]
    aws.turn("job-1:1", "RUNNING")
    reports = look(aws.clients(), handles, Queues(aws.clients()))
    assert [reports[h.element].state for h in handles] == [
        JobState.PENDING,
        JobState.RUNNING,
        JobState.PENDING,
        JobState.PENDING,
    ]
    assert aws.calls["DescribeJobs"] == 1


def test_an_array_that_waits_as_a_whole_costs_two_questions(aws: LoopbackAws) -> None:
    handles = launched(aws, 2_000)
    aws.turn("job-1", "RUNNABLE", statusReason="no capacity")
    reports = look(aws.clients(), handles, Queues(aws.clients()))
    assert len(reports) == 2_000
    assert {report.reason for report in reports.values()} == {"no capacity"}
    assert aws.calls["DescribeJobs"] == 2


def test_an_array_in_several_states_is_asked_about_in_full(aws: LoopbackAws) -> None:
    handles = launched(aws, 250)
    aws.turn("job-1", "RUNNABLE")
    aws.turn("job-1:7", "RUNNING")
    reports = look(aws.clients(), handles, Queues(aws.clients()))
    assert reports["job-1:7"].state is JobState.RUNNING
    assert reports["job-1:8"].state is JobState.PENDING
    assert len(reports) == 250
    assert aws.calls["DescribeJobs"] == 4


def test_an_array_that_runs_is_no_array_that_waits() -> None:
    assert not waits_whole({"arrayProperties": {"statusSummary": {"RUNNING": 3}}})
    assert not waits_whole({"arrayProperties": {"statusSummary": {"RUNNABLE": 3, "FAILED": 1}}})
    assert waits_whole({"arrayProperties": {"statusSummary": {"RUNNABLE": 3, "FAILED": 0}}})
    assert not waits_whole({})


def test_jobs_that_aws_does_not_know_are_left_out(aws: LoopbackAws) -> None:
    assert look(aws.clients(), handles_of("unknown", "n", 1), Queues(aws.clients())) == {}


def test_a_spot_instance_that_was_taken_back_is_told_from_a_lost_one(aws: LoopbackAws) -> None:
    handles = [launched(aws, 1, name)[0] for name in ("crew-c-a", "crew-c-b")]
    for handle, instance in zip(handles, ("i-0a", "i-0b"), strict=True):
        aws.turn(handle.job, "FAILED", statusReason=f"Host EC2 (instance {instance}) terminated.")
    aws.instances = {"i-0a": "Server.SpotInstanceTermination", "i-0b": "Server.InternalError"}
    reports = look(aws.clients(), handles, Queues(aws.clients()))
    assert [reports[handle.element].cause for handle in handles] == ["preempted", "node_lost"]


def test_whoever_may_not_ask_ec2_hears_of_a_lost_machine(aws: LoopbackAws) -> None:
    [handle] = launched(aws, 1)
    aws.turn("job-1", "FAILED", statusReason="Host EC2 (instance i-0a) terminated.")
    aws.faults = [Fault("DescribeInstances", status=403, code="UnauthorizedOperation", times=-1)]
    assert look(aws.clients(), [handle], Queues(aws.clients()))["job-1"].cause == "node_lost"


def test_a_queue_that_starts_nothing_is_explained_once_a_minute(aws: LoopbackAws) -> None:
    [handle] = launched(aws, 1)
    aws.turn("job-1", "RUNNABLE", createdAt=0)
    aws.queues = {"q": {"state": "ENABLED", "status": "VALID"}}
    aws.environments = {
        "ce": {"state": "DISABLED", "status": "INVALID", "statusReason": "role is missing"}
    }
    now = 0.0
    queues = Queues(aws.clients(), lambda: now)
    wanted = (
        "compute environment ce is disabled; compute environment ce is invalid: role is missing"
    )
    assert look(aws.clients(), [handle], queues)["job-1"].reason == wanted
    aws.environments["ce"] = {"state": "ENABLED", "status": "VALID"}
    assert look(aws.clients(), [handle], queues)["job-1"].reason == wanted
    now = 61.0
    assert look(aws.clients(), [handle], queues)["job-1"].reason == "RUNNABLE"
    assert aws.calls["DescribeJobQueues"] == 2


def test_a_job_that_waits_for_a_moment_is_not_worth_a_question(aws: LoopbackAws) -> None:
    [handle] = launched(aws, 1)
    aws.turn("job-1", "RUNNABLE")
    assert look(aws.clients(), [handle], Queues(aws.clients()))["job-1"].reason == "RUNNABLE"
    assert aws.calls["DescribeJobQueues"] == 0


def test_whoever_may_not_ask_about_queues_hears_less(aws: LoopbackAws) -> None:
    [handle] = launched(aws, 1)
    aws.turn("job-1", "RUNNABLE", createdAt=0)
    aws.faults = [Fault("DescribeJobQueues", status=403, code="AccessDeniedException", times=-1)]
    assert look(aws.clients(), [handle], Queues(aws.clients()))["job-1"].reason == "RUNNABLE"
