"""SLURM at sites that differ: with a database, memory guarded by the kernel, small arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
from crew_cluster._cluster.commands import Runner
from crew_cluster._cluster.job import Handle
from crew_cluster._slurm.launcher import SlurmLauncher
from crew_cluster._slurm.options import SlurmOptions
from crew_cluster._slurm.scheduler import Slurm
from crew_core.plugins import JobState
from scenarios.site import environment_of, until
from scenarios.tasks import make_busy_once, make_need, make_wait_for
from scripted.requests import request
from testbeds.fixtures import MakeBed, brought_up
from testbeds.slurm import SlurmBed
from testbeds.slurm import SlurmOptions as BedOptions

pytestmark = pytest.mark.timeout(300)

OnBed = Callable[..., SlurmBed]


@pytest.fixture
def on_bed(make_bed: MakeBed, monkeypatch: pytest.MonkeyPatch) -> OnBed:
    """Bring up a site of its own, to which this test's commands go."""

    def on_bed(**options: Any) -> SlurmBed:
        bed: SlurmBed = make_bed(SlurmBed, BedOptions(**options))
        for name, value in bed.environment().items():
            monkeypatch.setenv(name, value)
        return bed

    return on_bed


@pytest.fixture
def make(own_options: dict[str, Any]) -> Iterator[Callable[..., crew.Controller]]:
    made: list[crew.Controller] = []

    def make(**options: Any) -> crew.Controller:
        made.append(crew.controller("slurm", **{**own_options, **options}))
        return made[-1]

    yield make
    for controller in made:
        controller.terminate()


@pytest.fixture(scope="module")
def strict_bed() -> Iterator[SlurmBed]:
    """A site that keeps accounts, forgets jobs soon, and lets a user have five in the queue."""
    options = BedOptions(accounting="database", seconds_remembered=2, submit_limit=5)
    with brought_up(SlurmBed, options) as bed:
        yield bed


@pytest.fixture
def on_strict_bed(strict_bed: SlurmBed, monkeypatch: pytest.MonkeyPatch) -> SlurmBed:
    """This test's commands go there."""
    for name, value in strict_bed.environment().items():
        monkeypatch.setenv(name, value)
    return strict_bed


def test_the_accounting_tells_what_the_controller_has_forgotten(
    on_strict_bed: SlurmBed, tmp_path: Path
) -> None:
    bed = on_strict_bed
    options = ("--parsable", "--output=/dev/null")
    (tmp_path / "job.sh").write_text("#!/bin/sh\nexit 7\n")
    job = bed.ask("sbatch", *options, str(tmp_path / "job.sh")).strip()
    until(lambda: bed.run("squeue", "-h", "-j", job, "-t", "all").returncode, "it is forgotten")
    run = Runner({**bed.environment(), "PATH": "/usr/bin:/bin"}, 60)
    handle = Handle(job, None, 1, "crew-c-i", str(tmp_path))
    # The controller tells the database in its own time.
    until(lambda: job in Slurm().look(run, [handle]), "the accounting knows it")
    report = Slurm().look(run, [handle])[job]
    assert report.state is JobState.FAILED
    assert report.reason == "FAILED 7:0"


def test_the_accounting_keeps_no_secret(
    on_strict_bed: SlurmBed, make: Callable[..., crew.Controller]
) -> None:
    """Such a site keeps scripts and environments of jobs, for everybody who may ask."""
    bed = on_strict_bed
    controller = make(workers=1)
    task = controller.push("import os; os.getppid()")
    supervisor = task.result(120)
    secret = environment_of(supervisor)["CREW_SECRET"]
    assert task.record is not None
    job = str(task.record.job)
    until(lambda: "crew_folder" in bed.run("sacct", "-B", "-j", job).stdout, "the script is there")
    until(
        lambda: "PATH=" in bed.run("sacct", "--env-vars", "-j", job).stdout, "variables are there"
    )
    shown = bed.ask("sacct", "-B", "-j", job) + bed.ask("sacct", "--env-vars", "-j", job)
    assert secret not in shown + bed.ask("sacct", "--parsable2", "--format=ALL", "-j", job)


def test_a_site_that_takes_few_of_a_users_jobs_gets_as_many_as_it_takes(
    on_strict_bed: SlurmBed, make: Callable[..., crew.Controller], tmp_path: Path
) -> None:
    until(lambda: not on_strict_bed.ask("squeue", "-h"), "nothing is left of other tests")
    controller = make(workers=9)
    all_are_there = tmp_path / "all are there"
    tasks = [controller.push(make_wait_for(), (all_are_there, 200.0)) for _ in range(20)]
    until(lambda: refusals(controller), "the site is full")
    until(lambda: number_online(controller) == 5, "as many are there as the site takes")
    all_are_there.touch()
    for task in tasks:
        task.result(120)
    assert number_online(controller) == 5


def refusals(controller: crew.Controller) -> list[str]:
    """What SLURM said of jobs that are too many."""
    said = [error.stderr or "" for error in controller.launcher.errors]
    return [text for text in said if "AssocMaxSubmitJobLimit" in text]


def number_online(controller: crew.Controller) -> int:
    """How many workers are connected."""
    return int(controller.launcher.summary()["online"].sum())


def test_termination_is_one_command_and_lines_after_workers_run(
    on_bed: OnBed, make: Callable[..., crew.Controller], tmp_path: Path
) -> None:
    bed = on_bed(seconds_to_die=60)  # so that the lines can run to their end
    cancelled, scancel, folder = (tmp_path / name for name in ("cancelled", "scancel", "told"))
    folder.mkdir()
    real = bed.ask("sh", "-c", "command -v scancel").strip()
    scancel.write_text(f"#!/bin/sh\necho >>'{cancelled}'\nexec '{real}' \"$@\"\n")
    scancel.chmod(0o700)
    after = ("sleep 1", f"touch '{folder}'/$SLURM_ARRAY_TASK_ID")
    controller = make(workers=4, array_max=2, command_terminate=scancel, script_lines_after=after)
    controller.launch(4)
    until(lambda: number_online(controller) == 2, "two are there")
    controller.terminate()
    until(lambda: not bed.ask("squeue", "-h"), "all jobs have ended")
    assert len(cancelled.read_text().splitlines()) == 1
    assert len(list(folder.iterdir())) == 2


def test_a_job_that_gives_way_to_another_is_nobodys_fault(
    on_bed: OnBed, make: Callable[..., crew.Controller], tmp_path: Path
) -> None:
    bed = on_bed()
    folder = tmp_path / "told"
    folder.mkdir()
    controller = make(workers=1, crashes_max=0)
    task = controller.push(make_busy_once(), (folder, 600.0))
    until((folder / "1").exists, "the task runs")
    urgent = ("--partition=urgent", "--exclusive", "--output=/dev/null", "--wrap=sleep 2")
    bed.ask("sbatch", *urgent)
    assert task.result(120) == 2
    monitor: Any = crew.monitor("slurm")

    def states() -> set[str]:
        jobs = monitor.jobs()
        return set(jobs.loc[jobs["controller"] == controller.name, "raw_state"])

    until(lambda: "PREEMPTED" in states(), "SLURM says so")


def test_the_kernel_ends_who_takes_too_much(
    on_bed: OnBed, make: Callable[..., crew.Controller]
) -> None:
    on_bed(enforce="cgroup")
    controller = make(workers=1, memory_gigabytes_required=(0.3, 2.0))
    task = controller.push(make_need(), (700,))
    assert task.result(120) == 700
    assert task.record is not None
    assert task.record.attempts == 2


def test_arrays_are_no_larger_than_the_site_allows(
    on_bed: OnBed, own_options: dict[str, Any]
) -> None:
    bed = on_bed(array_limit=4)
    launcher = SlurmLauncher(SlurmOptions(**own_options))
    handles = launcher.launch(request(7))
    assert [handle.index for handle in handles] == [1, 2, 3, 1, 2, 3, None]
    launcher.terminate(handles)
    until(lambda: not bed.ask("squeue", "-h", "-o", "%i"), "they have ended")
    until(
        lambda: all(report.state.final for report in launcher.poll(handles)), "it is known of all"
    )
