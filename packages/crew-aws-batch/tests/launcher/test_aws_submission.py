"""Workers are submitted all or none, and no secret of theirs is where others see it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from crew_aws_batch._bundle import unpack
from crew_aws_batch._launcher.options import AwsBatchOptions
from crew_aws_batch._launcher.sending import Sender
from crew_aws_batch._launcher.submission import Submitter
from crew_aws_batch._launcher.sweeping import Sweeper
from crew_core.plugins import LaunchError
from loopback.aws import Fault, LoopbackAws
from loopback.requests import request

WHERE: dict[str, Any] = {"job_queue": "q", "job_definition": "d", "region": "eu-west-1"}


@pytest.fixture
def submitter(aws: LoopbackAws) -> Iterator[Submitter]:
    clients = aws.clients()
    sweeper = Sweeper(clients)
    yield Submitter(clients, Sender(clients, lambda seconds: None), sweeper)
    sweeper.close()


def test_one_worker_is_a_plain_job(aws: LoopbackAws, submitter: Submitter) -> None:
    [handle] = submitter.submit(AwsBatchOptions(**WHERE, tags={"team": "a"}), request(1))
    assert (handle.element, handle.index, handle.count) == ("job-1", None, 1)
    [asked] = aws.asked("SubmitJob")
    assert asked["jobName"] == "crew-c-i1"
    assert asked["containerOverrides"]["command"] == [
        *("python3", "-m", "crew_aws_batch._bootstrap"),
        *("secrets_manager", "eu-west-1", "crew-c-i1", "1"),
    ]
    assert asked["tags"]["team"] == "a"
    assert asked["tags"]["crew-controller"] == "c"
    assert asked["tags"]["crew-launcher"] == "test"


def test_several_workers_are_one_array(aws: LoopbackAws, submitter: Submitter) -> None:
    handles = submitter.submit(AwsBatchOptions(**WHERE), request(5))
    assert [handle.element for handle in handles] == [f"job-1:{n}" for n in range(5)]
    assert aws.calls["SubmitJob"] == aws.calls["CreateSecret"] == 1


@pytest.mark.parametrize(
    ("count", "size", "sizes"),
    [(6, 3, [3, 3]), (7, 3, [3, 3, None]), (3, 1, [None, None, None])],
)
def test_more_than_an_array_takes_become_several(
    aws: LoopbackAws, submitter: Submitter, count: int, size: int, sizes: list[int | None]
) -> None:
    handles = submitter.submit(AwsBatchOptions(**WHERE, array_size=size), request(count))
    assert len({handle.element for handle in handles}) == count
    asked = aws.asked("SubmitJob")
    assert [one.get("arrayProperties", {}).get("size") for one in asked] == sizes
    assert [one["jobName"] for one in asked] == [f"crew-c-i{n}" for n in range(1, count + 1, size)]


def test_ten_thousand_workers_are_few_requests(aws: LoopbackAws, submitter: Submitter) -> None:
    assert len(submitter.submit(AwsBatchOptions(**WHERE), request(10_000))) == 10_000
    assert aws.calls["SubmitJob"] == 1
    assert len(aws.requests) < 100


def test_a_multiple_of_the_largest_array_makes_no_empty_one(
    aws: LoopbackAws, submitter: Submitter
) -> None:
    assert len(submitter.submit(AwsBatchOptions(**WHERE), request(20_000))) == 20_000
    sizes = [one["arrayProperties"]["size"] for one in aws.asked("SubmitJob")]
    assert sizes == [10_000, 10_000]


@pytest.mark.parametrize("secrets", ["secrets_manager", "parameter_store"])
def test_what_jobs_show_holds_no_secret(
    aws: LoopbackAws, submitter: Submitter, secrets: str
) -> None:
    submitter.submit(AwsBatchOptions(**WHERE, secrets=secrets), request(3))
    shown = json.dumps([aws.asked("SubmitJob"), list(aws.jobs.values())])
    assert "secret-1" not in shown
    assert "CREW_START" not in shown


def test_workers_get_what_means_something_in_a_container(
    aws: LoopbackAws, submitter: Submitter
) -> None:
    submitter.submit(AwsBatchOptions(**WHERE), request(1))
    [start] = unpack(aws.secrets["crew/crew-c-i1/0"])
    assert start.words == ["-m", "crew_core._worker", "--instance", "i1"]
    assert start.variables == {"CREW_SECRET": "secret-1"}


def test_variables_hold_it_only_when_asked_for(aws: LoopbackAws, submitter: Submitter) -> None:
    submitter.submit(AwsBatchOptions(**WHERE, secrets="environment"), request(2))
    [asked] = aws.asked("SubmitJob")
    [variable] = asked["containerOverrides"]["environment"]
    assert [s.variables["CREW_SECRET"] for s in unpack(variable["value"])] == [
        "secret-1",
        "secret-2",
    ]
    assert aws.secrets == {}


def test_jobs_of_several_nodes_come_one_by_one(aws: LoopbackAws, submitter: Submitter) -> None:
    submitter.submit(AwsBatchOptions(**WHERE, node_overrides={}), request(2))
    assert ["arrayProperties" in asked for asked in aws.asked("SubmitJob")] == [False, False]


def test_what_was_submitted_is_taken_back_when_the_rest_is_refused(
    aws: LoopbackAws, submitter: Submitter
) -> None:
    words = "Job queue q is not in VALID state"
    aws.lacks = {"TerminateJobs"}
    options = AwsBatchOptions(**WHERE, array_size=2)

    def refuse_the_second(seconds: float = 0) -> None:
        aws.faults = [Fault("SubmitJob", status=400, code="ClientException", words=words)]

    aws.faults = [Fault("SubmitJob", times=0)]
    original = aws._submit_job

    def submit(parameters: dict[str, Any]) -> dict[str, Any]:
        refuse_the_second()
        return original(parameters)

    aws._submit_job = submit  # type: ignore[method-assign]
    with pytest.raises(LaunchError, match=words) as caught:
        submitter.submit(options, request(4))
    assert not caught.value.transient
    assert {job["status"] for name, job in aws.jobs.items()} == {"FAILED"}
    assert aws.secrets == {}


def test_a_submission_in_doubt_leaves_nothing_to_start(
    aws: LoopbackAws, submitter: Submitter
) -> None:
    aws.faults = [Fault("SubmitJob", lost="late")]
    with pytest.raises(LaunchError, match="did not say whether it took job crew-c-i1") as caught:
        submitter.submit(AwsBatchOptions(**WHERE), request(1))
    assert caught.value.transient
    assert aws.secrets == {}


def test_refusals_say_what_to_do(aws: LoopbackAws, submitter: Submitter) -> None:
    words = "User: me is not authorized to perform: secretsmanager:CreateSecret on resource: x"
    aws.faults = [Fault("CreateSecret", status=400, code="AccessDeniedException", words=words)]
    with pytest.raises(LaunchError, match="needs the permission secretsmanager:CreateSecret"):
        submitter.submit(AwsBatchOptions(**WHERE), request(1))
    assert aws.calls["SubmitJob"] == 0


def test_jobs_ask_where_they_are_told(aws: LoopbackAws, submitter: Submitter) -> None:
    endpoint = {"secretsmanager": "https://vpce.example"}
    submitter.submit(AwsBatchOptions(**WHERE, endpoint=endpoint, python="/opt/py"), request(1))
    command = aws.asked("SubmitJob")[0]["containerOverrides"]["command"]
    assert (command[0], command[-1]) == ("/opt/py", "https://vpce.example")


def test_submissions_are_logged_for_those_who_want_it(
    aws: LoopbackAws, submitter: Submitter, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "crew"):
        submitter.submit(AwsBatchOptions(**WHERE, verbose=True), request(2))
    assert "submitted job job-1 (crew-c-i1) of 2 workers" in caplog.text
