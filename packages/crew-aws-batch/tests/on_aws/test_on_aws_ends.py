"""Workers on AWS Batch die in many ways, and each has its consequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import crew_core as crew
from crew_core._controller import session, verdicts
from on_aws.hold import Hold
from on_aws.sight import LIVE, all_jobs, jobs_left, memory_of, runs, secrets_left, until
from testbeds.aws_batch import AwsBatchBed

Make = Callable[..., crew.Controller]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy computer may take its time to clear a container away, which says how it ended."""
    for module in (session, verdicts):
        monkeypatch.setattr(module, "VERDICT_SECONDS", 90.0)


def make_need() -> Callable[[int], int]:
    """A task that needs so much memory for a moment."""

    def need(mebibytes: int) -> int:
        import time

        kept = bytearray(mebibytes << 20)
        for _ in range(20):
            time.sleep(0.1)
            kept[0] += 1
        return len(kept) >> 20

    return need


def registered(bed: AwsBatchBed, name: str, **properties: Any) -> str:
    """A definition whose container differs from the bed's."""
    definition = bed.definition_of(name)
    definition["containerProperties"] |= properties
    bed.ask_batch("RegisterJobDefinition", definition)
    return name


def test_too_little_memory_is_more_the_next_time_and_the_first_again_after_success(
    bed: AwsBatchBed, make: Make
) -> None:
    controller = make(workers=1, memory=[0.3, 1.0], seconds_idle=0.5)
    task = controller.push(make_need(), (400,))
    assert task.result(120) == 400
    record = task.record
    assert record is not None
    assert record.attempts == 2
    assert record.job is not None
    assert memory_of(bed, record.job) == 954
    assert jobs_left(bed, controller.name) == []
    other = controller.push("1")
    assert other.result(120) == 1
    assert other.record is not None
    assert other.record.job is not None
    assert memory_of(bed, other.record.job) == 286


def test_too_little_memory_at_the_last_step_is_a_crash(make: Make) -> None:
    controller = make(workers=1, memory=0.3, crashes_max=1)
    task = controller.push(make_need(), (400,))
    assert isinstance(task.exception(120), crew.WorkerCrashError)
    assert task.record is not None
    assert task.record.cause == "out_of_memory"


def test_a_host_that_vanishes_is_nobodys_fault(bed: AwsBatchBed, make: Make, hold: Hold) -> None:
    controller = make(workers=1, crashes_max=0)
    task = controller.push(hold.task)
    bed.reclaim(runs(bed, controller))
    until(lambda: len(all_jobs(bed, controller.name)) > 1, "another is launched")
    hold.release()
    assert task.result(120) == 7
    assert task.record is not None
    assert task.record.attempts == 2


@pytest.mark.parametrize(("spot", "cause"), [(True, "preempted"), (False, "node_lost")])
def test_a_reclaimed_machine_is_told_from_a_lost_one(
    bed: AwsBatchBed, make: Make, hold: Hold, spot: bool, cause: str
) -> None:
    controller = make(workers=1, retry_tasks=False)
    task = controller.push(hold.task)
    bed.reclaim(runs(bed, controller), spot=spot)
    assert isinstance(task.exception(120), crew.WorkerCrashError)
    assert task.record is not None
    assert task.record.cause == cause


def test_a_time_limit_is_told_apart(bed: AwsBatchBed, make: Make) -> None:
    # AWS takes no limit below a minute. There is time enough for the worker to come and begin.
    bed.turn(hurry=2.5)
    controller = make(workers=1, timeout=60)
    task = controller.push("import time; time.sleep(600)")
    job = runs(bed, controller)
    until(lambda: bed.describe(job)["status"] == "FAILED", "its time is over")
    until(lambda: len(all_jobs(bed, controller.name)) > 1, "another is launched")
    controller.cancel(all=True)
    assert "timeout" in bed.describe(job)["statusReason"]
    del task


def test_an_image_that_cannot_be_had_is_told_at_once(bed: AwsBatchBed, make: Make) -> None:
    definition = registered(bed, "crew-without-image", image="localhost/nobody:has-this")
    controller = make(job_definition=definition)
    controller.push("1")
    with pytest.raises(crew.LaunchError, match="CannotPullContainerError"):
        controller.wait(seconds_timeout=120)
    assert len(all_jobs(bed, controller.name)) == 1
    assert secrets_left(controller.name) == []


def test_jobs_that_fail_at_once_stop_launching(bed: AwsBatchBed, make: Make) -> None:
    controller = make(python="false", launch_max=2)
    controller.push("1")
    with pytest.raises(crew.LaunchError, match="exit code 1"):
        controller.wait(seconds_timeout=120)
    assert len(all_jobs(bed, controller.name)) <= 3
    assert secrets_left(controller.name) == []


def test_a_job_that_never_starts_is_given_up_and_said_why(
    bed: AwsBatchBed, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    bed.turn(max_running=0)
    controller = make(seconds_launch=12.0, launch_max=1)
    controller.push("1")
    with pytest.raises(crew.LaunchError, match=r"seconds_launch=12 .*RUNNABLE"):
        controller.wait(seconds_timeout=120)
    warnings = [told.getMessage() for told in caplog.records if told.levelname == "WARNING"]
    assert any("RUNNABLE" in text for text in warnings)
    assert jobs_left(bed, controller.name) == []
    assert secrets_left(controller.name) == []


def test_a_waiting_job_that_somebody_ended_is_replaced(bed: AwsBatchBed, make: Make) -> None:
    bed.turn(max_running=0)
    controller = make()
    task = controller.push("6 * 7")
    until(lambda: all_jobs(bed, controller.name), "a job waits")
    (job,) = all_jobs(bed, controller.name)
    bed.ask_batch("TerminateJob", {"jobId": job["jobId"], "reason": "an operator's whim"})
    bed.turn(max_running=None)
    assert task.result(120) == 42


def test_demand_that_is_gone_ends_what_waits(bed: AwsBatchBed, make: Make) -> None:
    bed.turn(max_running=0)
    controller = make(workers=4)
    for _ in range(4):
        controller.push("1")
    until(lambda: all_jobs(bed, controller.name), "jobs wait")
    controller.cancel(all=True)
    assert jobs_left(bed, controller.name) == []
    until(lambda: secrets_left(controller.name) == [], "no secret is left")


def test_a_job_that_aws_starts_again_is_refused(bed: AwsBatchBed, make: Make, hold: Hold) -> None:
    controller = make(workers=1, retry_strategy={"attempts": 2})
    task = controller.push(hold.task)
    job = runs(bed, controller)
    bed.reclaim(job)
    until(lambda: len(all_jobs(bed, controller.name)) > 1, "another is launched")
    hold.release()
    assert task.result(120) == 7
    record = task.record
    assert record is not None
    assert record.job != job
    until(lambda: bed.describe(job)["status"] not in LIVE, "its second attempt finds no secret")


def test_workers_of_one_array_end_one_by_one(bed: AwsBatchBed, make: Make) -> None:
    controller = make(workers=4, seconds_idle=0.5)
    tasks = [controller.push("import time; time.sleep(1)") for _ in range(4)]
    for task in tasks:
        task.result(120)
    assert jobs_left(bed, controller.name) == []
    assert controller.push("6 * 7").result(120) == 42
