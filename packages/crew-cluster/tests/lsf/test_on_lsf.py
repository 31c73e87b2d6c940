"""What must hold on every scheduler holds on the stand-in for LSF, and what only LSF does."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
from scenarios.sessions import OpenSite, SessionScenarios
from scenarios.site import until
from scenarios.tasks import make_busy_once, make_need
from scenarios.workers import lines_for_workers
from testbeds.fixtures import MakeBed
from testbeds.lsf import LsfBed, LsfOptions

MakeController = Callable[..., crew.Controller]
OnBed = Callable[..., LsfBed]

pytestmark = pytest.mark.timeout(300)

_LINE = re.compile(r"(\d+) .* (crew-\S+?)(?:\[(\d+)\])? +\w{3} +\d+ \d\d:\d\d")


class LsfSite(OpenSite):
    """The shared bed, as scenarios trouble it."""

    launcher = "lsf"
    _bed: LsfBed

    def unfinished(self, controller: str) -> list[str]:
        table = self._bed.run("bjobs", "-noheader", "-w").stdout
        found = [match.groups() for match in map(_LINE.fullmatch, table.splitlines()) if match]
        return [
            job if index is None else f"{job}[{index}]"
            for job, name, index in found
            if name.startswith(f"crew-{controller}-")
        ]

    def shown(self, job: str) -> str:
        return self._bed.ask("bjobs", "-l", job) + self._bed.ask("bhist", "-l", job)

    def submit(self) -> str:
        return self._bed.submit("sleep 600\n", "-o", "/dev/null")

    def lists(self, job: str) -> bool:
        return self._bed.ask("bjobs", "-noheader", job).split()[2] in ("PEND", "RUN")

    def cancel(self, job: str) -> None:
        self._bed.ask("bkill", job)


class TestLsf(SessionScenarios):
    @pytest.fixture
    def site(self, on_lsf: LsfBed) -> LsfSite:
        return LsfSite(on_lsf)

    def test_a_worker_knows_when_its_queue_ends_it(self, make: MakeController) -> None:
        told = make(workers=1, queue="short").push(
            "import os; [os.environ[n] for n in ('CREW_JOB_START_TIME', 'CREW_JOB_END_TIME')]"
        )
        start, end = map(int, told.result(120))
        assert abs(end - start - 300) <= 30  # both are read off a clock, one after the other

    def test_a_queue_without_a_limit_ends_nobody(self, make: MakeController) -> None:
        told = make(workers=1, queue="normal").push(
            "__import__('os').environ.get('CREW_JOB_END_TIME')"
        )
        assert told.result(120) is None

    def test_what_workers_print_can_be_read_at_once_wherever_lsf_writes(
        self, make: MakeController, tmp_path: Path, site: LsfSite
    ) -> None:
        place = tmp_path / "of the user"
        lines = ("echo of the job", *lines_for_workers())
        controller = make(workers=1, log_output=place / "%J.log", script_lines=lines)
        task = controller.push("print('of the task')")
        task.result(120)
        assert "of the task" in str(controller.logs(task))
        (job,) = controller.launcher.summary()["job"]
        controller.terminate()
        log = place / f"{job}.log"
        until(lambda: log.exists() and "of the job" in log.read_text(), "LSF has written")


# ── At sites of other kinds ────────────────────────────────────────────────────────────────────


@pytest.fixture
def on_bed(make_bed: MakeBed, monkeypatch: pytest.MonkeyPatch) -> OnBed:
    """Bring up a site of its own, to which this test's commands go."""

    def on_bed(**options: Any) -> LsfBed:
        bed: LsfBed = make_bed(LsfBed, LsfOptions(**options))
        for name, value in bed.environment().items():
            monkeypatch.setenv(name, value)
        return bed

    return on_bed


@pytest.fixture
def make_there(own_options: dict[str, Any]) -> Iterator[MakeController]:
    """Make controllers wherever this test's commands go."""
    made: list[crew.Controller] = []

    def make(**options: Any) -> crew.Controller:
        made.append(crew.controller("lsf", **{**own_options, **options}))
        return made[-1]

    yield make
    for controller in made:
        controller.terminate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that tasks see, too."""
    folder = tmp_path / "told"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("unit", ["KB", "MB"])
def test_too_little_memory_is_more_the_next_time(
    on_bed: OnBed, make_there: MakeController, unit: str
) -> None:
    """Older versions do not tell it from a job that somebody ended."""
    on_bed(unit=unit, modern=True)
    controller = make_there(workers=1, memory_gigabytes_limit=(0.3, 2.0), crashes_max=0)
    task = controller.push(make_need(), (500,))
    assert task.result(120) == 500
    assert task.record is not None
    assert task.record.attempts == 2


@pytest.mark.parametrize("modern", [False, True])
def test_a_job_whose_time_is_over(
    on_bed: OnBed, make_there: MakeController, folder: Path, *, modern: bool
) -> None:
    """The worker itself does not know how short a minute is here."""
    on_bed(seconds_minute=1.0, modern=modern)  # long enough for the worker to come, and to work
    controller = make_there(workers=1, crashes_max=0, walltime_minutes=(20, 10_000))
    task = controller.push(make_busy_once(), (folder, 600.0))
    assert task.result(120) == 2


def test_ids_are_found_among_greetings(on_bed: OnBed, make_there: MakeController) -> None:
    on_bed().greet("*** Welcome to job <7> ***\n")
    assert make_there(workers=2).map("i", iterate={"i": [1, 2]})["result"].sum() == 3


def test_a_host_that_is_lost_takes_no_blame_to_the_task(
    on_bed: OnBed, make_there: MakeController, folder: Path
) -> None:
    bed = on_bed(modern=True)
    controller = make_there(workers=1, crashes_max=0)
    supervisor = controller.push("__import__('os').getppid()").result(120)
    task = controller.push(make_busy_once(), (folder, 600.0))
    until(lambda: list(folder.iterdir()), "the task runs")
    (host,) = bed.hosts()
    bed.fail(host)
    os.kill(supervisor, signal.SIGKILL)
    site = LsfSite(bed)
    until(lambda: len(site.unfinished(controller.name)) == 2, "another waits")
    bed.restore(host)
    assert task.result(120) == 2
