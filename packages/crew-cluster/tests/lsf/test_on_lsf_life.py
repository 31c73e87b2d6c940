"""Jobs of LSF have limits of whole minutes, and workers mind them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

import crew_core as crew
from scenarios.life import SLEEP, job_of
from scenarios.site import until
from testbeds.lsf import LsfBed

MakeController = Callable[..., crew.Controller]

pytestmark = pytest.mark.timeout(300)


def test_a_worker_leaves_in_time_and_another_is_there_before(
    make: MakeController, on_lsf: LsfBed
) -> None:
    # A worker leaves 6 s before the end of such a job, which is long for such a task.
    controller = make(workers=1, walltime_minutes=1)
    tasks = [controller.push(SLEEP.format(1)) for _ in range(64)]
    for task in tasks:
        task.result(200)
    assert {task.record.attempts for task in tasks if task.record is not None} == {1}
    first, second, *_ = dict.fromkeys(map(job_of, tasks))
    until(lambda: _told(on_lsf, first, r"Done successfully"), "nobody had to end it")
    (ended,) = _told(on_lsf, first, r"(\d\d:\d\d:\d\d): Done")
    (submitted,) = _told(on_lsf, second, r"(\d\d:\d\d:\d\d): Submitted")
    assert _seconds(submitted, ended) >= 0


def test_a_task_goes_where_there_is_time_for_it(make: MakeController) -> None:
    # Of a job of 60 s 54 are for tasks: too few are left after the first task, and in the next job
    # there are enough even if its worker takes 15 s to come.
    controller = make(workers=1, walltime_minutes=1)
    early = controller.push(SLEEP.format(17))
    early.result(90)
    late = controller.push("1", seconds_expected=38)
    assert late.result(150) == 1
    assert job_of(late) != job_of(early)
    assert late.record is not None
    assert late.record.attempts == 1


def test_a_long_task_gets_a_long_job(make: MakeController, on_lsf: LsfBed) -> None:
    controller = make(workers=1, walltime_minutes=(2, 20))
    with pytest.raises(crew.ConfigError, match="seconds_expected"):
        controller.push("1", seconds_expected=1500)
    task = controller.push("1", seconds_expected=600)
    assert task.result(120) == 1
    assert _told(on_lsf, job_of(task), r"RUNLIMIT *\n *20(\.0)? min")


def _told(bed: LsfBed, job: str, pattern: str) -> list[Any]:
    """What LSF tells at length, whose lines it breaks anywhere."""
    return re.findall(pattern, bed.ask("bjobs", "-l", job).replace("\n" + " " * 21, ""))


def _seconds(earlier: str, later: str) -> int:
    """From one time of day to another, over midnight as well."""
    first, last = ([int(part) for part in text.split(":")] for text in (earlier, later))
    between = sum((b - a) * unit for a, b, unit in zip(first, last, (3600, 60, 1), strict=True))
    return (between + 43_200) % 86_400 - 43_200
