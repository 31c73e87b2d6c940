"""What must hold on every scheduler holds on SLURM, and what only SLURM does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import crew_core as crew
from scenarios.site import environment_of, until
from scenarios.suite import Scenarios
from scenarios.tasks import make_busy_once, make_need
from slurm.site import NODES, SlurmSite
from testbeds.slurm import SlurmBed

MakeController = Callable[..., crew.Controller]

pytestmark = pytest.mark.timeout(300)


class TestSlurm(Scenarios):
    @pytest.fixture
    def site(self, on_slurm: SlurmBed) -> SlurmSite:
        return SlurmSite(on_slurm)

    def test_a_worker_knows_when_its_partition_ends_it(
        self, make: MakeController, site: SlurmSite
    ) -> None:
        controller = make(workers=1, partition="short")
        told = controller.push(
            "import os; [os.environ[n] for n in ('CREW_JOB_START_TIME', 'CREW_JOB_END_TIME')]"
        )
        start, end = map(int, told.result(120))
        assert 100 < end - start <= 300

    def test_a_job_that_can_never_run_is_told_at_once(
        self, make: MakeController, site: SlurmSite
    ) -> None:
        controller = make(workers=1, partition="short", time_minutes=600)
        controller.push("1")
        with pytest.raises(crew.LaunchError, match="PartitionTimeLimit"):
            controller.wait(seconds_timeout=120)
        until(lambda: not site.unfinished(controller.name), "the job is cancelled")

    def test_too_little_memory_is_more_the_next_time_and_the_first_again_after_success(
        self, make: MakeController, on_slurm: SlurmBed, site: SlurmSite
    ) -> None:
        """Here SLURM looks each second, and kills the whole job."""
        controller = make(workers=1, memory_gigabytes_required=(0.2, 1.0), seconds_idle=0.5)
        task = controller.push(make_need(), (400,))
        assert task.result(120) == 400
        assert task.record is not None
        assert task.record.attempts == 2
        assert memory_of(on_slurm, task.record.job) == "1G"
        until(lambda: not site.unfinished(controller.name), "the large worker has left")
        other = controller.push("1")
        assert other.result(120) == 1
        assert other.record is not None
        assert memory_of(on_slurm, other.record.job) == "205M"

    def test_too_little_memory_at_the_last_step_is_a_crash(self, make: MakeController) -> None:
        controller = make(workers=1, memory_gigabytes_required=0.2, crashes_max=1)
        task = controller.push(make_need(), (400,))
        assert isinstance(task.exception(120), crew.WorkerCrashError)
        assert task.record is not None
        assert task.record.cause == "out_of_memory"

    def test_a_node_fails(
        self, make: MakeController, on_slurm: SlurmBed, folder: Path, site: SlurmSite
    ) -> None:
        controller = make(workers=1, crashes_max=0)
        task = controller.push(make_busy_once(), (folder, 600.0))
        until(lambda: list(folder.iterdir()), "the task runs")
        (job,) = site.unfinished(controller.name)
        node = on_slurm.ask("squeue", "-h", "-j", job, "-o", "%N").strip()
        on_slurm.fail(node)  # it comes back by itself
        assert task.result(120) == 2

    def test_what_is_printed_goes_where_the_user_says(
        self, make: MakeController, tmp_path: Path
    ) -> None:
        controller = make(workers=2, log_output=tmp_path / "made here" / "%A_%a.txt")
        controller.launch(2)
        task = controller.push("print('hello')", name="greeting")
        task.result(120)
        assert task.record is not None
        output = tmp_path / "made here" / f"{task.record.job}.txt"
        until(lambda: "hello" in output.read_text(), "it is written")
        assert "hello" in controller.logs("greeting")

    def test_why_jobs_wait_is_told(
        self, make: MakeController, site: SlurmSite, caplog: pytest.LogCaptureFixture
    ) -> None:
        controller = make(workers=1)
        site.hold()
        monitor: Any = crew.monitor("slurm")

        def reasons() -> list[str]:
            table = monitor.jobs()
            return [r for r in table.loc[table["controller"] == controller.name, "reason"] if r]

        with caplog.at_level("INFO", logger="crew"):
            controller.push("1")
            until(reasons, "SLURM says why")
            # SLURM may think of another reason meanwhile.
            until(lambda: any(reason in caplog.text for reason in reasons()), "crew says so")

    def test_nobody_asks_about_workers_that_are_there(
        self, make: MakeController, on_slurm: SlurmBed, tmp_path: Path
    ) -> None:
        asked, squeue = tmp_path / "asked", tmp_path / "squeue"
        real = on_slurm.ask("sh", "-c", "command -v squeue").strip()
        squeue.write_text(f"#!/bin/sh\necho >>'{asked}'\nexec '{real}' \"$@\"\n")
        squeue.chmod(0o700)
        controller = make(workers=1, command_list=squeue, seconds_poll=0.1)
        controller.submit(pow, 2, 3).result(120)
        before = lines_of(asked)
        controller.push("__import__('time').sleep(3)").result(120)
        # One question may have been on its way as the worker came.
        assert lines_of(asked) - before <= 1

    def test_a_running_controller_shows_its_own_script(self, make: MakeController) -> None:
        controller = make(workers=2)
        controller.start()
        launcher: Any = controller.launcher
        assert f"--job-name=crew-{controller.name}-INSTANCE" in launcher.script(2)

    def test_a_job_that_is_run_again_starts_no_second_worker(
        self, make: MakeController, on_slurm: SlurmBed, folder: Path, site: SlurmSite
    ) -> None:
        controller = make(workers=1, drop_directives=("--no-requeue",))
        task = controller.push(make_busy_once(), (folder, 600.0))
        until(lambda: list(folder.iterdir()), "the task runs")
        (job,) = site.unfinished(controller.name)
        on_slurm.ask("scontrol", "requeue", job)
        assert task.result(120) == 2
        record = task.record
        assert record is not None
        until(lambda: site.unfinished(controller.name) == [record.job], "it has ended")

    def test_nothing_that_others_see_holds_a_secret(
        self, make: MakeController, on_slurm: SlurmBed, own_options: dict[str, Any]
    ) -> None:
        controller = make(workers=2)
        task = controller.push("import os; (os.getppid(), os.environ.get('CREW_SECRET'))")
        supervisor, inherited = task.result(120)
        assert inherited is None
        secret = environment_of(supervisor)["CREW_SECRET"]
        (name,) = set(controller.launcher.summary()["job"].str.partition("_")[0])
        shown = on_slurm.ask("scontrol", "show", "job", name)
        shown += on_slurm.ask("scontrol", "write", "batch_script", name, "-")
        shown += on_slurm.ask("squeue", "-h", "-o", "%all")
        assert secret not in shown
        for path in Path(own_options["script_directory"]).rglob("*"):
            assert not path.is_file() or secret not in path.read_text()

    def test_the_monitor_shows_and_ends_jobs(
        self, make: MakeController, site: SlurmSite, own_options: dict[str, Any]
    ) -> None:
        controller = make(workers=2, script_lines=(*own_options["script_lines"], "echo at work"))
        controller.push("__import__('time').sleep(600)")
        controller.push("__import__('time').sleep(600)")
        monitor: Any = crew.monitor("slurm", script_directory=own_options["script_directory"])

        def own() -> pd.DataFrame:
            table: pd.DataFrame = monitor.jobs()
            return table[table["controller"] == controller.name]

        until(lambda: list(own()["state"]) == ["running"] * 2, "both run")
        table = own()
        assert set(table["instance"]) == set(controller.launcher.summary()["instance"])
        assert set(table["host"]) <= set(NODES)
        # SLURM says that a job runs before it does.
        until(
            lambda: all("at work" in (monitor.log(job) or "") for job in table["job"]),
            "what it prints is shown",
        )
        controller.descale()
        monitor.terminate(list(table["job"]))
        until(lambda: set(own()["state"]) == {"cancelled"}, "they have ended")
        with pytest.raises(crew.ConfigError, match="is no job of yours"):
            monitor.terminate("99999999")


def lines_of(file: Path) -> int:
    """How many there are; none where it is not there yet."""
    return len(file.read_text().splitlines()) if file.exists() else 0


def memory_of(bed: SlurmBed, job: str | None) -> str:
    """What a job has asked for, in SLURM's words."""
    assert job is not None
    return bed.ask("squeue", "-h", "-t", "all", "-j", job, "-o", "%m")
