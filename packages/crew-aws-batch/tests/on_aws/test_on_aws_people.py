"""Job definitions and the monitor, on moto's AWS with jobs that really run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

import crew_core as crew
from crew_aws_batch import JobDefinition
from crew_aws_batch._monitor import logs
from crew_aws_batch._monitor.monitor import AwsBatchMonitor
from crew_core._cli.app import app
from testbeds import waiting
from testbeds.aws_batch import AwsBatchBed
from testbeds.aws_batch.account import role
from testbeds.aws_batch.faults import Fault

pytestmark = pytest.mark.timeout(300)

JOBS = ["name", "id", "arn", "queue", "status", "reason", "created", "started", "stopped"]
REVISIONS = [
    *("name", "arn", "revision", "status", "type", "scheduling_priority", "parameters"),
    *("retry_strategy", "container_properties", "timeout", "node_properties", "tags"),
    *("propagate_tags", "platform_capabilities", "eks_properties"),
    "container_orchestration_type",
]
ROLE = role("crew-job")
SLEEP = ["python", "-c", "import time; time.sleep(600)"]


@pytest.fixture
def monitor(
    bed: AwsBatchBed, definition: JobDefinition, monkeypatch: pytest.MonkeyPatch
) -> Iterator[AwsBatchMonitor]:
    """A monitor of a definition of its own, over two queues."""
    monkeypatch.setattr(logs, "_LOOK_SECONDS", 0.1)
    monkeypatch.setattr(logs, "_LATE_SECONDS", 1.0)
    definition.register(bed.image, cpus=1, memory=1)
    queues = [bed.queue, bed.second_queue]
    made = crew.monitor("aws_batch", job_queue=queues, job_definition=definition.name)
    assert isinstance(made, AwsBatchMonitor)
    yield made
    made.terminate(all=True)


def submitted(monitor: AwsBatchMonitor, *command: str, name: str = "trial", **options: Any) -> str:
    return str(monitor.submit(name, list(command), **options)["id"][0])


def until(is_so: Callable[[], bool]) -> None:
    """Wait for what a job brings about: its container may take its time on a busy computer."""
    waiting.until(is_so, 120)


def state(monitor: AwsBatchMonitor, job: str) -> str:
    return str(monitor.status(job)["status"][0])


# ── Definitions ────────────────────────────────────────────────────────────────────────────────


def test_a_definition_has_revisions(bed: AwsBatchBed, definition: JobDefinition) -> None:
    first = definition.register(bed.image, cpus=1, memory=1, job_role_arn=ROLE, tags={"a": "1"})
    assert list(first.columns) == ["name", "revision", "arn"]
    assert list(first.iloc[0])[:2] == [definition.name, 1]
    definition.register(bed.image, cpus=2, memory=1)
    table = definition.describe()
    assert list(table.columns) == REVISIONS
    assert list(table["revision"]) == [2, 1]
    assert list(table["status"]) == ["active", "active"]
    assert table["container_properties"][1]["jobRoleArn"] == ROLE
    assert table["tags"][1] == {"a": "1"}
    assert definition.deregister()["revision"][0] == 2
    assert list(definition.describe(active=True)["revision"]) == [1]
    assert list(definition.describe()["status"]) == ["inactive", "active"]
    with pytest.raises(crew.ConfigError, match=r"no active revision 2\. Active: 1"):
        definition.deregister(2)


def test_a_revision_is_registered_only_when_something_differs(
    bed: AwsBatchBed, definition: JobDefinition
) -> None:
    options: dict[str, Any] = {"cpus": 1, "memory": 1, "environment": {"A": "1", "B": "2"}}
    definition.ensure(bed.image, **options)
    assert definition.ensure(bed.image, **options)["revision"][0] == 1
    assert definition.ensure(bed.image, **{**options, "memory": 2})["revision"][0] == 2


def test_more_revisions_than_a_page_are_all_described(
    bed: AwsBatchBed, definition: JobDefinition
) -> None:
    for cpus in range(1, 102):
        bed.ask_batch("RegisterJobDefinition", definition.request(bed.image, cpus=cpus, memory=1))
    assert list(definition.describe()["revision"]) == list(range(101, 0, -1))


def test_what_aws_refuses_is_said_in_its_own_words(
    bed: AwsBatchBed, definition: JobDefinition
) -> None:
    bed.deny("batch:RegisterJobDefinition")
    with pytest.raises(crew.CrewError, match="permission batch:RegisterJobDefinition"):
        definition.register(bed.image, cpus=1, memory=1)


# ── Jobs ───────────────────────────────────────────────────────────────────────────────────────


def test_a_job_is_shown_in_the_table_of_its_state(monitor: AwsBatchMonitor) -> None:
    job = submitted(monitor, *SLEEP)
    until(lambda: list(monitor.running()["id"]) == [job])
    table = monitor.jobs()
    assert list(table.columns) == JOBS
    assert all(isinstance(table[name].dtype, pd.DatetimeTZDtype) for name in JOBS[-3:])
    assert list(monitor.active()["id"]) == [job]
    assert monitor.inactive().empty
    monitor.terminate(job, reason="enough of it")
    until(lambda: state(monitor, job) == "failed")
    assert "enough of it" in monitor.failed()["reason"][0]
    assert monitor.active().empty


def test_jobs_of_every_queue_are_shown(bed: AwsBatchBed, monitor: AwsBatchMonitor) -> None:
    first = submitted(monitor, "true")
    other = JobDefinition(str(monitor.options.job_definition), bed.second_queue)
    second = str(other.submit(["true"])["id"][0])
    until(lambda: set(monitor.succeeded()["id"]) == {first, second})
    assert set(monitor.jobs()["queue"]) == {bed.queue, bed.second_queue}


def test_the_jobs_of_an_array_are_rows(bed: AwsBatchBed, monitor: AwsBatchMonitor) -> None:
    asked = {"jobName": "crew-array", "jobQueue": bed.queue}
    definition = str(monitor.options.job_definition)
    job = bed.ask_batch(
        "SubmitJob",
        {
            **{**asked, "jobDefinition": definition, "arrayProperties": {"size": 3}},
            "containerOverrides": {"command": ["sh", "-c", "echo job $AWS_BATCH_JOB_ARRAY_INDEX"]},
        },
    )["jobId"]
    until(lambda: set(monitor.succeeded()["id"]) == {f"{job}:{i}" for i in range(3)})
    assert list(monitor.log(f"{job}:1")["message"]) == ["job 1"]
    assert sorted(monitor.log(job)["message"]) == ["job 0", "job 1", "job 2"]
    assert sorted(monitor.log(job, follow=True)) == [f"[{i}] job {i}" for i in range(3)]
    assert len(monitor.cost()) == 3


def test_status_has_all_that_aws_says(monitor: AwsBatchMonitor) -> None:
    job = submitted(monitor, "true", tags={"project": "x"})
    until(lambda: state(monitor, job) == "succeeded")
    table = monitor.status(job)
    assert list(table.columns) == [*JOBS, "details"]
    assert table["details"][0]["tags"]["project"] == "x"
    assert monitor.status("00000000-0000-0000-0000-000000000000").empty


# ── Output ─────────────────────────────────────────────────────────────────────────────────────


def test_output_is_followed_from_before_the_start(
    bed: AwsBatchBed, monitor: AwsBatchMonitor
) -> None:
    bed.turn(max_running=0)
    job = submitted(monitor, "python", "-c", "print('first'); print('second')")
    lines = monitor.log(job, follow=True)
    with pytest.raises(crew.CrewError, match="has not begun"):
        monitor.log(job)
    bed.turn(max_running=None)
    assert list(lines) == ["first", "second"]


def test_output_of_all_attempts_is_shown(bed: AwsBatchBed, monitor: AwsBatchMonitor) -> None:
    definition = JobDefinition(str(monitor.options.job_definition), bed.queue)
    definition.register(bed.image, cpus=1, memory=1, retry_strategy={"attempts": 2})
    job = submitted(monitor, "sh", "-c", "echo attempt $AWS_BATCH_JOB_ATTEMPT; exit 1")
    until(lambda: state(monitor, job) == "failed")
    table = monitor.log(job)
    assert list(table["message"]) == ["attempt 1", "attempt 2"]
    assert list(table["attempt"]) == [1, 2]
    assert isinstance(table["timestamp"].dtype, pd.DatetimeTZDtype)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("GetLogEvents", times=6, status=400, code="ThrottlingException"),
        Fault("DescribeJobs", times=4, status=429),
        Fault("GetLogEvents", times=2, status=500, code="InternalFailure"),
        Fault("GetLogEvents", times=2, drop="after"),
    ],
    ids=["logs throttled", "jobs throttled", "broken", "reset"],
)
def test_output_is_followed_through_faults(
    bed: AwsBatchBed, monitor: AwsBatchMonitor, fault: Fault
) -> None:
    text = "import time\nfor i in range(4): print('line', i, flush=True); time.sleep(0.5)"
    job = submitted(monitor, "python", "-c", text)
    lines = monitor.log(job, follow=True)
    told = [next(lines)]
    bed.fault(fault)
    assert [*told, *lines] == [f"line {i}" for i in range(4)]


def test_a_job_that_nobody_knows_has_no_output(monitor: AwsBatchMonitor) -> None:
    with pytest.raises(crew.ConfigError, match="knows no job"):
        monitor.log("00000000-0000-0000-0000-000000000000")


def test_a_job_that_never_began_says_why(bed: AwsBatchBed, monitor: AwsBatchMonitor) -> None:
    JobDefinition(str(monitor.options.job_definition)).register("none:1", cpus=1, memory=1)
    job = submitted(monitor, "true")
    until(lambda: state(monitor, job) == "failed")
    with pytest.raises(crew.CrewError, match=r"ended without having begun: CannotPull"):
        monitor.log(job)
    assert list(monitor.log(job, follow=True)) == []


# ── The end ────────────────────────────────────────────────────────────────────────────────────


def test_all_ends_only_what_this_user_started(bed: AwsBatchBed, monitor: AwsBatchMonitor) -> None:
    definition = str(monitor.options.job_definition)
    asked = {"jobQueue": bed.queue, "jobDefinition": definition}
    overrides = {"command": SLEEP}
    others = [
        str(
            bed.ask_batch(
                "SubmitJob",
                {**asked, "jobName": name, "tags": tags, "containerOverrides": overrides},
            )["jobId"]
        )
        for name, tags in (("foreign", {}), ("crew-other-1", {"crew-user": "somebody"}))
    ]
    own = [submitted(monitor, *SLEEP) for _ in range(2)]
    monitor.terminate(all=True)
    until(lambda: set(monitor.failed()["id"]) == set(own))
    assert set(monitor.active()["id"]) == set(others)
    for job in others:
        bed.ask_batch("TerminateJob", {"jobId": job, "reason": "the test is over"})


def test_a_job_that_crew_did_not_submit_is_refused(
    bed: AwsBatchBed, monitor: AwsBatchMonitor
) -> None:
    asked = {"jobQueue": bed.queue, "jobDefinition": str(monitor.options.job_definition)}
    overrides = {"command": SLEEP}
    foreign = bed.ask_batch(
        "SubmitJob", {**asked, "jobName": "foreign", "containerOverrides": overrides}
    )["jobId"]
    own = submitted(monitor, *SLEEP)
    with pytest.raises(crew.ConfigError, match="crew did not submit"):
        monitor.terminate([own, foreign])
    assert state(monitor, own) in ("submitted", "runnable", "starting", "running")
    bed.ask_batch("TerminateJob", {"jobId": foreign, "reason": "the test is over"})


def test_a_bar_is_shown_when_asked_for(
    monitor: AwsBatchMonitor, capsys: pytest.CaptureFixture[str]
) -> None:
    job = submitted(monitor, *SLEEP)
    monitor.terminate([job], progress=True)
    assert "1/1" in capsys.readouterr().err


def test_throttling_is_waited_out(bed: AwsBatchBed, monitor: AwsBatchMonitor) -> None:
    bed.fault(Fault("ListJobs", times=1, status=429))
    assert monitor.jobs().empty


# ── At a prompt ────────────────────────────────────────────────────────────────────────────────


def test_a_prompt_shows_and_follows_output_and_ends_jobs(
    bed: AwsBatchBed, monitor: AwsBatchMonitor
) -> None:
    job = submitted(monitor, "python", "-c", "print('hello')")
    assert prompted("log", job, "--follow") == "hello\n"
    assert prompted("log", job) == "hello\n"
    assert json.loads(prompted("log", job, "--follow", "--json")) == "hello"
    other = submitted(monitor, *SLEEP)
    assert other in prompted("active")
    assert "terminated" in prompted("terminate", other)
    until(lambda: state(monitor, other) == "failed")


def prompted(*words: str) -> str:
    done = CliRunner().invoke(app, ["monitor", "aws_batch", *words])
    assert done.exit_code == 0, done.output
    return done.stdout
