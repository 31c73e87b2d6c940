"""Whatever AWS does wrong, no launch is lost and none is doubled."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

import crew_core as crew
from on_aws.sight import all_jobs, jobs_left, live_jobs, secrets_left, until
from testbeds import keeper
from testbeds.aws_batch import AwsBatchBed
from testbeds.aws_batch.faults import Fault

Make = Callable[..., crew.Controller]

pytestmark = pytest.mark.timeout(300)

FAULTS = {
    "throttled": Fault(operation="SubmitJob", times=2, status=429),
    "reset before": Fault(operation="SubmitJob", times=1, drop="before"),
    "answer lost": Fault(operation="SubmitJob", times=1, drop="after"),
    "answer late": Fault(operation="SubmitJob", times=1, seconds_after=6.0),
    "broken": Fault(operation="SubmitJob", times=1, status=500, code="ServerException"),
    "everything throttled": Fault(operation="*", times=8, status=429),
    "everything broken": Fault(operation="*", times=8, status=503, code="ServiceUnavailable"),
    "everything reset": Fault(operation="*", times=8, drop="before"),
    "looks throttled": Fault(operation="DescribeJobs", times=8, status=429),
}


@pytest.mark.parametrize("processes", [None, 1])
@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_loses_and_doubles_nothing(
    bed: AwsBatchBed, make: Make, kind: str, processes: int | None
) -> None:
    # As little patience as makes sense, so that late answers come too late.
    controller = make(workers=2, processes=processes, config={"read_timeout": 3}, launch_max=20)
    bed.fault(FAULTS[kind])
    controller.launch(2) if processes else None
    tasks = [controller.push("6 * 7") for _ in range(4)]
    assert [task.result(120) for task in tasks] == [42] * 4
    bed.heal()
    controller.terminate()
    assert jobs_left(bed, controller.name) == []
    assert secrets_left(controller.name) == []
    ran = [job for job in all_jobs(bed, controller.name) if job.get("startedAt")]
    assert sum((job.get("arrayProperties") or {}).get("size", 1) for job in ran) <= 2


def test_credentials_that_expire_are_looked_for_again(bed: AwsBatchBed, make: Make) -> None:
    controller = make()
    bed.fault(Fault(operation="SubmitJob", times=1, status=403, code="ExpiredTokenException"))
    assert controller.push("6 * 7").result(120) == 42
    assert len(all_jobs(bed, controller.name)) == 1


def test_credentials_that_stay_expired_are_told(bed: AwsBatchBed, make: Make) -> None:
    controller = make(launch_max=1)
    bed.fault(Fault(operation="*", status=403, code="ExpiredTokenException"))
    controller.push("6 * 7")
    with pytest.raises(crew.LaunchError, match="log in again"):
        controller.wait(seconds_timeout=120)
    bed.heal()
    controller.launcher.reset()
    assert controller.wait(seconds_timeout=120)


def test_a_missing_permission_is_named_at_once(bed: AwsBatchBed, make: Make) -> None:
    controller = make()
    bed.deny("batch:SubmitJob")
    controller.push("6 * 7")
    with pytest.raises(crew.LaunchError, match="batch:SubmitJob"):
        controller.wait(seconds_timeout=120)
    assert secrets_left(controller.name) == []


def test_a_role_is_assumed(bed: AwsBatchBed, make: Make) -> None:
    before = bed.calls().get("assumerole", 0)
    controller = make(role="arn:aws:iam::123456789012:role/crew-job")
    assert controller.push("6 * 7").result(120) == 42
    assert bed.calls()["assumerole"] > before


def test_a_launch_daemon_that_is_killed_in_the_middle_of_a_submission_doubles_nothing(
    bed: AwsBatchBed, make: Make
) -> None:
    controller = make(workers=1, processes=1, launch_max=20)
    controller.start()
    bed.fault(Fault(operation="SubmitJob", times=1, seconds_after=5.0))
    before = bed.calls().get("submitjob", 0)
    task = controller.push("6 * 7")
    until(lambda: bed.calls().get("submitjob", 0) > before, "it is being submitted")
    kill_daemon(controller)
    assert task.result(120) == 42
    until(lambda: len(live_jobs(bed, controller.name)) <= 1, "one job is left")
    controller.terminate()
    assert jobs_left(bed, controller.name) == []
    assert secrets_left(controller.name) == []


def test_what_a_killed_launch_daemon_kept_for_workers_goes_with_them(
    bed: AwsBatchBed, make: Make
) -> None:
    controller = make(workers=2, processes=1, tasks_max=1)
    controller.launch(2)
    assert controller.push("6 * 7").result(120) == 42
    until(lambda: len(children_over(bed, controller)) == 1, "one of the two has left")
    assert len(secrets_left(controller.name)) == 1
    kill_daemon(controller)
    controller.terminate()
    assert jobs_left(bed, controller.name) == []
    assert secrets_left(controller.name) == []


def test_launch_daemons_show_and_end_with_their_controller(bed: AwsBatchBed, make: Make) -> None:
    controller = make(workers=2, processes=2)
    assert controller.push("6 * 7").result(120) == 42
    local: Any = crew.monitor("local")
    daemons = local.daemons()
    pids = [int(pid) for pid in daemons.loc[daemons["controller"] == controller.name, "pid"]]
    assert len(pids) == 2
    controller.terminate()
    until(lambda: not any(keeper.started(pid) for pid in pids), "they have ended")


def test_errors_of_launch_daemons_are_shown(bed: AwsBatchBed, make: Make) -> None:
    controller = make(processes=1, launch_max=1)
    bed.fault(Fault(operation="SubmitJob", status=400, code="ClientException", message="No such"))
    controller.push("1")
    until(lambda: controller.launcher.errors, "the error is told")
    assert "No such" in str(controller.launcher.errors[-1])


def kill_daemon(controller: crew.Controller) -> None:
    """Kill its only launch daemon."""
    local: Any = crew.monitor("local")
    daemons = local.daemons()
    (pid,) = daemons.loc[daemons["controller"] == controller.name, "pid"]
    os.kill(int(pid), signal.SIGKILL)


def children_over(bed: AwsBatchBed, controller: crew.Controller) -> list[str]:
    """Those jobs of its only array that have succeeded."""
    (array,) = all_jobs(bed, controller.name)
    names = [f"{array['jobId']}:{index}" for index in range(2)]
    return [name for name in names if bed.describe(name)["status"] == "SUCCEEDED"]
