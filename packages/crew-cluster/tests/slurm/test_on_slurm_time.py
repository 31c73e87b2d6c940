"""Jobs of SLURM have limits of time, and workers mind them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import crew_core as crew
from scenarios.site import until
from scenarios.tasks import make_busy_once
from testbeds.slurm import SlurmBed

MakeController = Callable[..., crew.Controller]

pytestmark = pytest.mark.timeout(300)

SLEEP = "__import__('time').sleep({})"


def jobs(own_options: dict[str, Any], controller: crew.Controller) -> pd.DataFrame:
    """What SLURM knows of a controller's jobs."""
    monitor: Any = crew.monitor("slurm", script_directory=own_options["script_directory"])
    table: pd.DataFrame = monitor.jobs()
    return table[table["controller"] == controller.name].sort_values("submitted")


def test_a_worker_leaves_in_time_and_another_is_there_before(
    make: MakeController, own_options: dict[str, Any]
) -> None:
    """A job of one minute, and more than a minute's work.

    The worker leaves 6 s before the end, which is long for such a task.
    """
    controller = make(workers=1, time_minutes=1)
    tasks = [controller.push(SLEEP.format(1)) for _ in range(64)]
    for task in tasks:
        task.result(200)
    records = [task.record for task in tasks]
    assert {record.attempts for record in records if record is not None} == {1}
    until(
        lambda: pd.notna(jobs(own_options, controller)["finished"].iloc[0]), "the first has ended"
    )
    table = jobs(own_options, controller)
    assert table["raw_state"].iloc[0] == "COMPLETED"  # nobody had to end it
    assert table["submitted"].iloc[1] <= table["finished"].iloc[0]


def test_a_task_goes_where_there_is_time_for_it(make: MakeController) -> None:
    # Of a job of 60 s 54 are for tasks: too few are left after the first task, and in the next job
    # there are enough even if its worker takes 15 s to come.
    controller = make(workers=1, time_minutes=1)
    early = controller.push(SLEEP.format(17))
    early.result(90)
    late = controller.push("1", seconds_expected=38)
    assert late.result(150) == 1
    assert early.record is not None
    assert late.record is not None
    assert late.record.job != early.record.job
    assert late.record.attempts == 1


def test_a_task_for_which_no_job_is_long_enough_is_refused(make: MakeController) -> None:
    controller = make(workers=1, time_minutes=(1, 10))
    with pytest.raises(crew.ConfigError, match="seconds_expected"):
        controller.push("1", seconds_expected=900)


def test_a_long_task_gets_a_long_job(make: MakeController, on_slurm: SlurmBed) -> None:
    controller = make(workers=1, time_minutes=(1, 10))
    task = controller.push("1", seconds_expected=300)
    assert task.result(120) == 1
    assert task.record is not None
    assert limit_of(on_slurm, task.record.job) == "10:00"


def test_too_little_time_is_more_the_next_time(
    make: MakeController, on_slurm: SlurmBed, tmp_path: Path
) -> None:
    """SLURM looks each half minute; the worker itself does not know that it was cut short."""
    folder = tmp_path / "told"
    folder.mkdir()
    controller = make(workers=1, time_minutes=(5, 10), crashes_max=0)
    task = controller.push(make_busy_once(), (folder, 600.0))
    until((folder / "1").exists, "the task runs")
    (job,) = controller.launcher.summary()["job"]
    assert limit_of(on_slurm, job) == "5:00"
    on_slurm.expire(job)
    assert task.result(120) == 2
    assert task.record is not None
    assert limit_of(on_slurm, task.record.job) == "10:00"


def limit_of(bed: SlurmBed, job: str | None) -> str:
    """How long a job may run, in SLURM's words."""
    assert job is not None
    return bed.ask("squeue", "-h", "-t", "all", "-j", job, "-o", "%l")
