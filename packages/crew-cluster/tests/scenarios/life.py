"""How long jobs may run, and how workers mind it: derive a class of tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import crew_core as crew
from scenarios.site import until
from scenarios.tasks import make_busy_once

MakeController = Callable[..., crew.Controller]

SLEEP = "__import__('time').sleep({})"


class Life(NamedTuple):
    """What a scheduler tells of a job's time.

    Attributes:
        limit: the seconds that it may run.
        submitted: when it was, in seconds since 1970.
        ended: likewise; None before its end.
        code: its exit code; None before its end.
    """

    limit: int
    submitted: float
    ended: float | None
    code: int | None


class LifeScenarios:
    """What must hold where ``walltime_minutes`` counts seconds. Define the fixture ``make``."""

    def life_of(self, job: str) -> Life:
        """What the scheduler tells of a job. Override this."""
        raise NotImplementedError

    def test_a_worker_leaves_in_time_and_another_is_there_before(
        self, make: MakeController
    ) -> None:
        # A worker leaves 4.5 s before the end of such a job, which is long for such a task.
        controller = make(workers=1, walltime_minutes=0.75)
        tasks = [controller.push(SLEEP.format(0.5)) for _ in range(90)]
        for task in tasks:
            task.result(120)
        records = [task.record for task in tasks if task.record is not None]
        assert {record.attempts for record in records} == {1}
        first, second, *_ = dict.fromkeys(str(record.job) for record in records)
        until(lambda: self.life_of(first).ended is not None, "the first job has ended")
        life = self.life_of(first)
        assert life.code == 0  # nobody had to end it
        assert life.ended is not None
        assert self.life_of(second).submitted <= life.ended

    def test_a_task_goes_where_there_is_time_for_it(self, make: MakeController) -> None:
        # Of a job of 60 s 54 are for tasks: too few are left after the first task, and in the next
        # job there are enough even if its worker takes 15 s to come.
        controller = make(workers=1, walltime_minutes=1)
        early = controller.push(SLEEP.format(17))
        early.result(90)
        late = controller.push("1", seconds_expected=38)
        assert late.result(150) == 1
        assert early.record is not None
        assert late.record is not None
        assert late.record.job != early.record.job
        assert late.record.attempts == 1

    def test_a_task_for_which_no_job_is_long_enough_is_refused(self, make: MakeController) -> None:
        controller = make(workers=1, walltime_minutes=(1, 10))
        with pytest.raises(crew.ConfigError, match="seconds_expected"):
            controller.push("1", seconds_expected=900)

    def test_a_long_task_gets_a_long_job(self, make: MakeController) -> None:
        controller = make(workers=1, walltime_minutes=(1, 10))
        task = controller.push("1", seconds_expected=300)
        assert task.result(120) == 1
        assert self.life_of(job_of(task)).limit == 600

    def test_too_little_time_is_more_the_next_time(
        self, make: MakeController, tmp_path: Path
    ) -> None:
        """The worker ends its task, as the job is about to be ended, and tells why."""
        folder = tmp_path / "told"
        folder.mkdir()
        controller = make(workers=1, walltime_minutes=(0.5, 10), crashes_max=0)
        task = controller.push(make_busy_once(), (folder, 600.0))
        assert task.result(150) == 2
        assert self.life_of(job_of(task)).limit == 600


def job_of(task: crew.Task[Any]) -> str:
    """The job of the worker that a task ended on."""
    assert task.record is not None
    assert task.record.job is not None
    return task.record.job
