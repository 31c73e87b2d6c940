"""PBS at sites that differ: slow by default, without a history, with greetings, small arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
from crew_cluster._cluster.commands import Runner
from crew_cluster._cluster.job import Handle
from crew_cluster._pbs.launcher import PbsLauncher
from crew_cluster._pbs.options import PbsOptions
from crew_cluster._pbs.scheduler import Pbs
from crew_core.plugins import JobState
from pbs.site import PbsSite, shown
from scenarios.site import until
from scenarios.tasks import make_busy_once, make_need
from scripted.requests import request
from testbeds.fixtures import MakeBed
from testbeds.pbs import PbsBed
from testbeds.pbs import PbsOptions as BedOptions

OnBed = Callable[..., PbsBed]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def on_bed(make_bed: MakeBed, monkeypatch: pytest.MonkeyPatch) -> OnBed:
    """Bring up a site of its own, to which this test's commands go."""

    def on_bed(**options: Any) -> PbsBed:
        bed: PbsBed = make_bed(PbsBed, BedOptions(**options))
        for name, value in bed.environment().items():
            monkeypatch.setenv(name, value)
        return bed

    return on_bed


@pytest.fixture
def waiting_job(tmp_path: Path) -> Callable[[PbsBed], str]:
    """Submit a job that ends with exit code 7 as soon as there is a file ``go``."""

    def submit(bed: PbsBed) -> str:
        script = tmp_path / "job.sh"
        script.write_text(f"#!/bin/sh\nuntil [ -e {tmp_path}/go ]; do sleep 0.1; done\nexit 7\n")
        return bed.ask("qsub", "-j", "oe", "-o", "/dev/null", str(script)).strip()

    return submit


def looked(bed: PbsBed, pbs: Pbs, job: str) -> dict[str, Any]:
    run = Runner(bed.environment() | {"HOME": "/"}, 60)
    return dict(pbs.look(run, [Handle(job, None, 1, "crew-i", "/nowhere")]))


def test_a_job_that_pbs_shows_for_some_time_after_its_end_is_judged_by_what_pbs_says_then(
    on_bed: OnBed, own_options: dict[str, Any]
) -> None:
    """As it is by default: ``kill_delay`` is ten seconds."""
    on_bed(enforce_memory=True, seconds_memory=2.0)
    ladder = {"workers": 1, "memory_gigabytes_required": (0.2, 1.0)}
    with crew.controller("pbs", **own_options, **ladder) as controller:
        task = controller.push(make_need(), (400,))
        assert task.result(120) == 400
        assert task.record is not None
        assert task.record.attempts == 2


def test_without_a_history_a_cancelled_job_is_replaced(
    on_bed: OnBed, own_options: dict[str, Any], tmp_path: Path
) -> None:
    bed = on_bed(history=False, seconds_to_die=1.0)
    folder = tmp_path / "told"
    folder.mkdir()
    with crew.controller("pbs", **own_options, workers=1, crashes_max=0) as controller:
        task = controller.push(make_busy_once(), (folder, 600.0))
        until(lambda: list(folder.iterdir()), "the task runs")
        (job,) = PbsSite(bed, own_options["script_directory"]).unfinished(controller.name)
        bed.ask("qdel", job)
        assert task.result(120) == 2


def test_without_a_history_ended_jobs_are_left_out(
    make_bed: MakeBed, waiting_job: Callable[[PbsBed], str], tmp_path: Path
) -> None:
    bed: PbsBed = make_bed(PbsBed, BedOptions(history=False))
    pbs = Pbs()
    job = waiting_job(bed)
    assert looked(bed, pbs, job)[job].state in (JobState.PENDING, JobState.RUNNING)
    (tmp_path / "go").touch()
    until(lambda: not shown(bed), "it has ended")
    assert looked(bed, pbs, job) == {}


def test_with_a_history_ended_jobs_are_told_of(
    on_pbs: PbsBed, waiting_job: Callable[[PbsBed], str], tmp_path: Path
) -> None:
    (tmp_path / "go").touch()
    job = waiting_job(on_pbs)
    pbs = Pbs()
    until(lambda: looked(on_pbs, pbs, job)[job].state.final, "it has ended")
    report = looked(on_pbs, pbs, job)[job]
    assert (report.state, report.cause) == (JobState.FAILED, "exit 7")


def test_a_banner_is_no_part_of_an_answer(make_bed: MakeBed, tmp_path: Path) -> None:
    bed: PbsBed = make_bed(PbsBed, BedOptions())
    bed.greet("Welcome to {this} site\n17 news for you\n")
    script = tmp_path / "job.sh"
    script.write_text("#!/bin/sh\n#PBS -N crew-i\nsleep 600\n")
    run = Runner(bed.environment() | {"HOME": "/"}, 60)
    pbs = Pbs()
    job = pbs.job_id(run(["qsub", str(script)]))
    assert looked(bed, pbs, job)[job].state in (JobState.PENDING, JobState.RUNNING)
    assert pbs.find(run, ["crew-i"]) == {"crew-i": job}
    assert [row.job for row in pbs.rows(run) if row.name == "crew-i"] == [job]


def test_arrays_are_no_larger_than_the_site_allows(
    on_bed: OnBed, own_options: dict[str, Any]
) -> None:
    bed = on_bed(array_limit=4)
    launcher = PbsLauncher(PbsOptions(**own_options))
    handles = launcher.launch(request(9))
    assert [handle.index for handle in handles] == [1, 2, 3, 4, 1, 2, 3, 4, None]
    launcher.terminate(handles)
    until(lambda: not shown(bed), "they have ended")
    until(lambda: all(one.state.final for one in launcher.poll(handles)), "it is seen")
