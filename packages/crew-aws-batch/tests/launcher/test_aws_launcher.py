"""The launcher launches, looks, ends and finds, without a worker to run."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

import crew_core as crew
from crew_aws_batch._launcher.launcher import AwsBatchLauncher
from crew_aws_batch._launcher.options import AwsBatchOptions
from crew_core.plugins import ConfigError, JobState, LaunchError, Pace
from loopback.aws import Fault, LoopbackAws
from loopback.requests import request

WHERE: dict[str, Any] = {"job_queue": "q", "job_definition": "d", "region": "eu-west-1"}
Make = Callable[..., AwsBatchLauncher]


class Eager(AwsBatchLauncher):
    """Asks whenever it is asked itself."""

    pace: ClassVar[Pace] = Pace(first=0.0, growth=1.0)


@pytest.fixture
def make(aws: LoopbackAws, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Make launchers that ask AWS in this process."""
    monkeypatch.setattr("crew_aws_batch._launcher.launcher.Clients", lambda access: aws.clients())

    def make(**options: Any) -> AwsBatchLauncher:
        launcher = Eager(AwsBatchOptions(**{**WHERE, "seconds_poll": 0.001, **options}))
        made.append(launcher)
        return launcher

    made: list[AwsBatchLauncher] = []
    yield make
    for launcher in made:
        launcher._sweeper.close()


def test_workers_come_and_go(aws: LoopbackAws, make: Make) -> None:
    launcher = make()
    handles = launcher.launch(request(3))
    assert [launcher.job(handle) for handle in handles] == ["job-1:0", "job-1:1", "job-1:2"]
    assert [report.state for report in launcher.poll(handles)] == [JobState.PENDING] * 3
    aws.turn("job-1", "RUNNING")
    assert [report.state for report in launcher.poll(handles)] == [JobState.RUNNING] * 3
    launcher.terminate(handles)
    assert [report.state for report in launcher.poll(handles)] == [JobState.CANCELLED] * 3
    assert aws.asked("TerminateJob") == [
        {"jobId": "job-1", "reason": "terminated by crew controller"}
    ]
    assert aws.secrets == {}


def test_some_of_an_array_end_and_the_others_stay(aws: LoopbackAws, make: Make) -> None:
    launcher = make()
    handles = launcher.launch(request(4))
    launcher.terminate(handles[:2])
    states = [aws.jobs[handle.element]["status"] for handle in handles]
    assert states == ["FAILED", "FAILED", "SUBMITTED", "SUBMITTED"]
    assert "crew/crew-c-i1/0" in aws.secrets  # the others have not fetched it
    launcher.terminate(handles[2:])
    assert aws.asked("TerminateJob")[-1]["jobId"] == "job-1"
    assert aws.secrets == {}


def test_a_job_that_failed_before_it_fetched_its_secret_leaves_none(
    aws: LoopbackAws, make: Make
) -> None:
    launcher = make()
    handles = launcher.launch(request(1))
    aws.turn("job-1", "FAILED")
    assert [report.state for report in launcher.poll(handles)] == [JobState.FAILED]
    assert aws.secrets == {}


def test_a_job_that_is_ended_before_it_fetched_its_secret_leaves_none(
    aws: LoopbackAws, make: Make
) -> None:
    launcher = make()
    handles = launcher.launch(request(1))
    aws.turn("job-1", "RUNNING")  # as soon as its container has started
    assert [report.state for report in launcher.poll(handles)] == [JobState.RUNNING]
    launcher.terminate(handles)
    assert aws.secrets == {}


def test_a_job_that_left_as_agreed_needs_no_more_request(aws: LoopbackAws, make: Make) -> None:
    launcher = make()
    handles = launcher.launch(request(1))
    aws.turn("job-1", "SUCCEEDED")
    assert [report.state for report in launcher.poll(handles)] == [JobState.FINISHED]
    assert aws.calls["DeleteSecret"] == 0  # the job itself has deleted it


def test_ending_twice_is_nothing_wrong(aws: LoopbackAws, make: Make) -> None:
    launcher = make()
    handles = launcher.launch(request(1))
    launcher.terminate(handles)
    launcher.terminate(handles)


def test_a_failure_to_end_is_told(aws: LoopbackAws, make: Make) -> None:
    launcher = make()
    handles = launcher.launch(request(1))
    aws.faults = [Fault("TerminateJob", status=403, code="AccessDeniedException", times=-1)]
    with pytest.raises(LaunchError, match="cannot end job-1"):
        launcher.terminate(handles)


def test_silence_is_unknown(aws: LoopbackAws, make: Make) -> None:
    launcher = make()
    handles = launcher.launch(request(1))
    aws.faults = [Fault("DescribeJobs", lost="never", times=-1)]
    assert [report.state for report in launcher.poll(handles)] == [JobState.UNKNOWN]


def test_each_step_asks_for_more(aws: LoopbackAws, make: Make) -> None:
    launcher = make(memory=(4, 8), job_queue=("q", "large"))
    launcher.launch(request(1))
    launcher.launch(request(1, step=1))
    first, second = aws.asked("SubmitJob")
    assert first["containerOverrides"]["resourceRequirements"][0]["value"] == "3815"
    assert second["containerOverrides"]["resourceRequirements"][0]["value"] == "7629"
    assert (first["jobQueue"], second["jobQueue"]) == ("q", "large")


def test_left_overs_are_found_by_their_names_on_all_queues(aws: LoopbackAws, make: Make) -> None:
    launcher = make(job_queue=("q", "large"), array_size=2)
    handles = launcher.launch(request(3))
    elsewhere = launcher.launch(request(1, controller="other", step=1))
    names = [worker.name for worker in request(3).workers]
    found = make(job_queue=("q", "large")).find(names)
    assert {handle.element for handle in found} == {handle.element for handle in handles}
    assert [name for name in aws.secrets if "crew-c-" in name] == []
    assert any("crew-other-" in name for name in aws.secrets)
    make().terminate(found)
    assert aws.jobs[elsewhere[0].job]["status"] == "SUBMITTED"
    assert aws.jobs["job-1:0"]["status"] == aws.jobs["job-2"]["status"] == "FAILED"


def test_what_has_ended_is_no_left_over(aws: LoopbackAws, make: Make) -> None:
    launcher = make()
    launcher.launch(request(1))
    aws.turn("job-1", "SUCCEEDED")
    assert make().find(["crew-c-i1"]) == []


def test_a_search_that_fails_says_so(aws: LoopbackAws, make: Make) -> None:
    aws.faults = [Fault("ListJobs", status=403, code="AccessDeniedException", times=-1)]
    with pytest.raises(LaunchError, match="cannot look for jobs"):
        make().find(["crew-c-i1"])


def test_logs_are_those_of_the_latest_attempt(aws: LoopbackAws, make: Make) -> None:
    launcher = make()
    [handle] = launcher.launch(request(1))
    assert launcher.logs(handle) is None
    aws.turn("job-1", "RUNNING", container={"logStreamName": "d/default/1"})
    assert launcher.logs(handle) is None  # the stream comes later than its name
    aws.streams["d/default/1"] = ["one", "two"]
    assert launcher.logs(handle) == "one\ntwo\n"


def test_the_place_of_a_log_is_known_before_the_job_runs(aws: LoopbackAws, make: Make) -> None:
    launcher = make(log_group="/our/group")
    first, second = launcher.launch(request(2))
    assert launcher.log_place(first) == "cloudwatch:/our/group/job-1:0"
    place = launcher.log_place(second)
    assert launcher.read_log(place) is None
    aws.turn("job-1:1", "RUNNING", container={"logStreamName": "d/default/2"})
    aws.streams["d/default/2"] = ["hello"]
    assert make().read_log(place) == "hello\n"


def test_a_log_that_cannot_be_read_says_so(aws: LoopbackAws, make: Make) -> None:
    launcher = make()
    (handle,) = launcher.launch(request(1))
    aws.faults = [Fault("DescribeJobs", status=403, code="AccessDeniedException", times=-1)]
    with pytest.raises(LaunchError, match="cannot read cloudwatch:"):
        launcher.read_log(launcher.log_place(handle))


def test_what_would_be_submitted_can_be_read(make: Make) -> None:
    text = make(memory=2, array_size=5).script(7)
    decoder = json.JSONDecoder()
    first, end = decoder.raw_decode(text)
    second, _ = decoder.raw_decode(text[end:].strip())
    assert first["arrayProperties"] == {"size": 5}
    assert second["arrayProperties"] == {"size": 2}
    assert first["containerOverrides"]["resourceRequirements"][0]["value"] == "1907"
    with pytest.raises(ConfigError, match="at least 1"):
        make().script(0)


def test_copies_for_daemons_are_made_from_the_options() -> None:
    launcher = AwsBatchLauncher(AwsBatchOptions(**WHERE, memory=(4, 8)))
    copy = pickle.loads(pickle.dumps(launcher))
    assert copy.options == launcher.options


def test_handles_outlive_their_process(aws: LoopbackAws, make: Make) -> None:
    handles = make().launch(request(2))
    copies = pickle.loads(pickle.dumps(handles))
    assert copies == handles
    make().terminate(copies)
    assert aws.jobs["job-1:1"]["status"] == "FAILED"


def test_what_a_dead_copy_has_kept_for_workers_goes_with_the_last_of_them(
    aws: LoopbackAws, make: Make
) -> None:
    dead, heir = make(), make()
    handles = dead.launch(request(4))
    for handle in handles[:2]:
        aws.turn(handle.element, "SUCCEEDED")
    dead.poll(handles[:2])
    heir.poll(handles[2:3])
    assert "crew/crew-c-i1/0" in aws.secrets  # two of them may not have fetched it
    heir.terminate(handles[2:])
    assert aws.secrets == {}


def test_what_workers_shared_goes_when_the_last_of_them_has_left(
    aws: LoopbackAws, make: Make
) -> None:
    launcher = make()
    handles = launcher.launch(request(2))
    aws.turn("job-1", "SUCCEEDED")
    launcher.poll(handles)
    assert aws.secrets == {}


def test_a_controller_needs_to_be_told_where() -> None:
    with pytest.raises(ConfigError, match="job_queue is missing"):
        crew.controller("aws_batch")
