"""The testbed for AWS Batch: jobs run for real, and end as AWS documents it."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from testbeds.aws_batch import AwsBatchBed, AwsBatchOptions
from testbeds.aws_batch.faults import Fault, Faults
from testbeds.aws_batch.moto import MotoError
from testbeds.fixtures import MakeBed
from testbeds.waiting import until

pytestmark = pytest.mark.timeout(900)

FINAL = ("SUCCEEDED", "FAILED")
SLEEP = ("python", "-c", "import time; time.sleep(600)")


@pytest.fixture
def bed(aws_batch_bed: AwsBatchBed) -> Iterator[AwsBatchBed]:
    yield aws_batch_bed
    aws_batch_bed.restore_all()


def submit(bed: AwsBatchBed, *command: str, **more: Any) -> str:
    overrides = {"command": list(command), **more.pop("containerOverrides", {})}
    asked = {"jobName": "test", "jobQueue": bed.queue, "jobDefinition": bed.definition, **more}
    return str(bed.ask_batch("SubmitJob", {**asked, "containerOverrides": overrides})["jobId"])


def ended(bed: AwsBatchBed, job: str) -> dict[str, Any]:
    until(lambda: bed.describe(job)["status"] in FINAL)
    return bed.describe(job)


def test_a_job_runs_and_its_exit_code_and_output_are_kept(bed: AwsBatchBed) -> None:
    told = ended(bed, submit(bed, "python", "-c", "print('one\\ntwo'); raise SystemExit(3)"))
    assert (told["status"], told["container"]["exitCode"]) == ("FAILED", 3)
    assert told["statusReason"] == "Essential container in task exited"
    assert len(told["attempts"]) == 1
    until(lambda: bed.lines(told["container"]["logStreamName"]) == ["one", "two"])


def test_output_is_there_while_a_job_runs(bed: AwsBatchBed) -> None:
    job = submit(bed, "python", "-uc", "import time; print('now'); time.sleep(600)")
    until(lambda: "logStreamName" in bed.describe(job).get("container", {}))
    stream = bed.describe(job)["container"]["logStreamName"]
    until(lambda: bed.lines(stream) == ["now"])
    assert bed.describe(job)["status"] == "RUNNING"
    bed.ask_batch("TerminateJob", {"jobId": job, "reason": "over"})
    ended(bed, job)


def test_each_job_of_an_array_knows_its_index(bed: AwsBatchBed) -> None:
    script = "import os; raise SystemExit(int(os.environ['AWS_BATCH_JOB_ARRAY_INDEX']) + 10)"
    job = submit(bed, "python", "-c", script, arrayProperties={"size": 3})
    assert ended(bed, job)["status"] == "FAILED"
    codes = [bed.describe(f"{job}:{i}")["container"]["exitCode"] for i in range(3)]
    assert codes == [10, 11, 12]
    assert bed.describe(job)["arrayProperties"]["statusSummary"]["FAILED"] == 3


def test_an_attempt_is_repeated_as_the_strategy_says(bed: AwsBatchBed) -> None:
    rule = {"onExitCode": "7", "action": "EXIT"}
    script = "import os; raise SystemExit(int(os.environ['AWS_BATCH_JOB_ATTEMPT']) + 5)"
    strategy = {"attempts": 5, "evaluateOnExit": [rule]}
    told = ended(bed, submit(bed, "python", "-c", script, retryStrategy=strategy))
    assert [one["container"]["exitCode"] for one in told["attempts"]] == [6, 7]
    assert len({one["container"]["logStreamName"] for one in told["attempts"]}) == 2


def test_a_terminated_job_may_clean_up(bed: AwsBatchBed) -> None:
    bed.turn(stop_timeout=60.0)
    script = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(9)); print('up', "
    job = submit(bed, "python", "-c", script + "flush=True); time.sleep(600)")
    until(lambda: "logStreamName" in bed.describe(job).get("container", {}))
    stream = bed.describe(job)["container"]["logStreamName"]
    until(lambda: bed.lines(stream) == ["up"])
    bed.ask_batch("TerminateJob", {"jobId": job, "reason": "a test"})
    told = ended(bed, job)
    assert (told["container"]["exitCode"], told["statusReason"]) == (9, "a test")
    assert told["isTerminated"]


def test_a_job_that_takes_too_much_memory_is_ended(bed: AwsBatchBed) -> None:
    script = "import time; x = b'x' * (200 << 20); time.sleep(600)"
    needs = {"resourceRequirements": [{"type": "MEMORY", "value": "64"}]}
    told = ended(bed, submit(bed, "python", "-c", script, containerOverrides=needs))
    assert told["container"]["exitCode"] == 137
    assert "OutOfMemory" in told["container"]["reason"]


def test_an_image_that_is_not_there_cannot_be_pulled(bed: AwsBatchBed) -> None:
    wrong = bed.definition_of("wrong-image")
    wrong["containerProperties"]["image"] = "localhost/none:1"
    bed.ask_batch("RegisterJobDefinition", wrong)
    told = ended(bed, submit(bed, "true", jobDefinition="wrong-image"))
    assert told["statusReason"] == "Task failed to start"
    assert told["container"]["reason"].startswith("CannotPullContainerError")
    assert "exitCode" not in told["container"]


def test_a_reclaimed_host_takes_its_job_along(bed: AwsBatchBed) -> None:
    job = submit(bed, *SLEEP)
    until(lambda: bed.describe(job)["status"] == "RUNNING")
    bed.reclaim(job)
    told = ended(bed, job)
    assert told["statusReason"].startswith("Host EC2 (instance i-")
    assert "exitCode" not in told["container"]


def test_a_job_waits_for_capacity(bed: AwsBatchBed) -> None:
    bed.turn(max_running=0)
    job = submit(bed, "true")
    until(lambda: bed.describe(job)["status"] == "RUNNABLE")
    bed.turn(max_running=None)
    assert ended(bed, job)["status"] == "SUCCEEDED"


def test_time_runs_out(bed: AwsBatchBed) -> None:
    bed.turn(hurry=60.0)
    told = ended(bed, submit(bed, *SLEEP, timeout={"attemptDurationSeconds": 60}))
    assert told["statusReason"] == "Job attempt duration exceeded timeout"


@pytest.mark.parametrize(
    "wrong",
    [
        {"jobName": "a b"},
        {"arrayProperties": {"size": 1}},
        {"timeout": {"attemptDurationSeconds": 59}},
        {"jobDefinition": "none"},
        {"jobQueue": "none"},
        {"tags": {"a": "*"}},
    ],
)
def test_what_aws_refuses_is_refused(bed: AwsBatchBed, wrong: dict[str, Any]) -> None:
    with pytest.raises(MotoError) as caught:
        submit(bed, "true", **wrong)
    assert (caught.value.status, caught.value.code) == (400, "ClientException")


# ── Faults ─────────────────────────────────────────────────────────────────────────────────────


def test_a_request_is_answered_with_an_error_as_often_as_asked(bed: AwsBatchBed) -> None:
    bed.fault(Fault("ListJobs", times=2, status=429))
    for _ in range(2):
        with pytest.raises(MotoError) as caught:
            bed.ask_batch("ListJobs", {"jobQueue": bed.queue})
        assert (caught.value.status, caught.value.code) == (429, "TooManyRequestsException")
    bed.ask_batch("ListJobs", {"jobQueue": bed.queue})


@pytest.mark.parametrize(("drop", "made"), [("before", 0), ("after", 1)])
def test_a_connection_is_reset_before_or_after(bed: AwsBatchBed, drop: str, made: int) -> None:
    bed.fault(Fault("SubmitJob", times=1, drop=drop))
    name = f"reset-{drop}-{time.monotonic_ns()}"
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        submit(bed, "true", jobName=name)
    filters = [{"name": "JOB_NAME", "values": [name]}]
    found = bed.ask_batch("ListJobs", {"jobQueue": bed.queue, "filters": filters})
    assert len(found["jobSummaryList"]) == made


def test_so_many_requests_in_a_second_are_let_through() -> None:
    faults = Faults()
    faults.add(Fault("SubmitJob", status=429, rate=2, burst=3))
    struck = [faults.take("submitjob", now) is not None for now in (0, 0, 0, 0, 0.5, 0.5)]
    assert struck == [False, False, False, True, False, True]
    assert faults.take("describejobs", 0) is None
    assert faults.calls() == {"submitjob": 6, "describejobs": 1}


def test_a_permission_is_taken_away_by_name(bed: AwsBatchBed) -> None:
    bed.deny("batch:ListJobs")
    with pytest.raises(MotoError, match="not authorized to perform: batch:ListJobs") as caught:
        bed.ask_batch("ListJobs", {"jobQueue": bed.queue})
    assert caught.value.status == 403


# ── Its end ────────────────────────────────────────────────────────────────────────────────────


def test_no_job_outlives_the_bed(make_bed: MakeBed) -> None:
    bed = make_bed(AwsBatchBed, AwsBatchOptions(jobs="processes"))
    mark = f"crew-bed-{time.monotonic_ns()}"
    submit(bed, "python", "-c", "import time; time.sleep(600)", mark)
    until(lambda: mark in commands())
    bed.down()
    assert mark not in commands()
    assert not bed.place.exists()


def commands() -> str:
    from pathlib import Path

    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return json.dumps(found)
