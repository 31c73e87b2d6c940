"""What AWS says of jobs, in its documented shapes, becomes state, cause and reason."""

from __future__ import annotations

from typing import Any

import pytest

from crew_aws_batch._aws.states import (
    RAW,
    exit_code,
    host_of,
    log_streams,
    lost_host,
    report,
    state_of,
)
from crew_core.plugins import JobReport, JobState

ESSENTIAL = "Essential container in task exited"
INSTANCE = "arn:aws:ecs:eu-west-1:1:container-instance/cluster/0a1b"


def job(status: str, why: str = "", **container: Any) -> dict[str, Any]:
    return {"jobId": "j", "status": status, "statusReason": why, "container": container}


def with_attempts(*attempts: tuple[int | None, str, str], status: str = "FAILED") -> dict[str, Any]:
    return {
        "status": status,
        "statusReason": attempts[-1][2],
        "attempts": [
            {
                "container": {
                    **({} if code is None else {"exitCode": code}),
                    "reason": reason,
                    "logStreamName": f"d/default/{number}",
                },
                "statusReason": why,
            }
            for number, (code, reason, why) in enumerate(attempts)
        ],
    }


@pytest.mark.parametrize(
    ("raw", "state"),
    [
        ("SUBMITTED", JobState.PENDING),
        ("PENDING", JobState.PENDING),
        ("RUNNABLE", JobState.PENDING),
        ("STARTING", JobState.PENDING),
        ("RUNNING", JobState.RUNNING),
        ("SUCCEEDED", JobState.FINISHED),
        ("FAILED", JobState.FAILED),
        ("INVENTED", JobState.UNKNOWN),
    ],
)
def test_every_state_of_awss_is_one_of_crews(raw: str, state: JobState) -> None:
    assert state_of(raw) is state
    assert report(job(raw)).state is state


def test_all_of_awss_states_are_known() -> None:
    assert all(state_of(raw) is not JobState.UNKNOWN for raw in RAW)


@pytest.mark.parametrize(
    ("detail", "cause"),
    [
        (job("FAILED", ESSENTIAL, exitCode=3), "exit 3"),
        (job("FAILED", ESSENTIAL, exitCode=139), "signal 11"),
        (job("FAILED", ESSENTIAL, exitCode=137), "out_of_memory"),
        (
            job(
                "FAILED",
                ESSENTIAL,
                exitCode=137,
                reason="OutOfMemoryError: Container killed due to memory usage",
            ),
            "out_of_memory",
        ),
        (job("FAILED", "Job attempt duration exceeded timeout", exitCode=137), "wall_time"),
        (job("FAILED", "Host EC2 (instance i-0abc) terminated."), "node_lost"),
        (job("FAILED", "Your Spot Task was interrupted.", exitCode=143), "preempted"),
        (with_attempts((137, "OutOfMemoryError: killed", ESSENTIAL)), "out_of_memory"),
        (with_attempts((None, "", "Host EC2 (instance i-0abc) terminated.")), "node_lost"),
        (job("FAILED", "who knows"), None),
    ],
)
def test_causes_are_told_apart(detail: dict[str, Any], cause: str | None) -> None:
    told = report(detail)
    assert (told.state, told.cause) == (JobState.FAILED, cause)


@pytest.mark.parametrize("flag", ["isTerminated", "isCancelled"])
def test_a_job_that_others_ended_is_no_fault_of_its_own(flag: str) -> None:
    told = report({**job("FAILED", "not needed", exitCode=137), flag: True})
    assert (told.state, told.cause) == (JobState.CANCELLED, "job_ended")
    assert told.reason.startswith("not needed")


def test_a_job_that_waits_again_says_what_its_last_attempt_died_of() -> None:
    lost = "Host EC2 (instance i-0abc) terminated."
    told = report(with_attempts((None, "", lost), status="RUNNABLE"))
    assert (told.state, told.cause) == (JobState.PENDING, "node_lost")


@pytest.mark.parametrize(
    "words",
    [
        "CannotPullContainerError: pull access denied for nobody/nothing",
        "CannotPullImageManifestError: manifest unknown",
        "ResourceInitializationError: unable to pull secrets: AccessDeniedException",
        "CannotStartContainerError: exec: python3: executable file not found in $PATH",
    ],
)
def test_what_can_never_start_is_hopeless_at_once(words: str) -> None:
    told = report(job("FAILED", "Task failed to start", reason=words))
    assert told.hopeless
    assert words[:20] in told.reason


def test_an_image_that_could_not_be_fetched_just_now_is_not_hopeless() -> None:
    words = "CannotPullContainerError: toomanyrequests: You have reached your pull rate limit"
    told = report(job("FAILED", "Task failed to start", reason=words))
    assert told == JobReport(JobState.FAILED, reason=told.reason)


def test_a_queue_that_can_never_run_it_is_told_from_one_that_is_full() -> None:
    never = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement is higher"
    assert report(job("RUNNABLE", never)).hopeless
    full = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill the capacity"
    told = report(job("RUNNABLE", full))
    assert not told.hopeless
    assert told.reason == full


def test_a_job_that_waits_without_a_reason_says_where() -> None:
    assert report(job("RUNNABLE")).reason == "RUNNABLE"


def test_kinds_of_definitions_are_read_alike() -> None:
    container = {"exitCode": 137, "reason": "OutOfMemoryError: killed"}
    tasks = [{"containers": [container], "taskArn": "arn:t/1"}]
    ecs = {"status": "FAILED", "ecsProperties": {"taskProperties": tasks}}
    pod = {"status": "FAILED", "eksProperties": {"podProperties": {"containers": [container]}}}
    assert report(ecs).cause == report(pod).cause == "out_of_memory"


def test_streams_are_those_of_all_attempts() -> None:
    detail = with_attempts((1, "", ESSENTIAL), (1, "", ESSENTIAL))
    detail["container"] = {"logStreamName": "d/default/1"}
    assert log_streams(detail) == ["d/default/0", "d/default/1"]


def test_small_things_are_found_wherever_they_are() -> None:
    assert exit_code(with_attempts((7, "", ESSENTIAL))) == 7
    assert host_of(job("RUNNING", containerInstanceArn=INSTANCE)) == "0a1b"
    assert lost_host(job("FAILED", "Host EC2 (instance i-0abc) terminated.")) == "i-0abc"
