"""What must hold on every scheduler holds on Grid Engine, and what only Grid Engine does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import crew_core as crew
from scenarios.sessions import OpenSite, SessionScenarios
from scenarios.site import until
from scenarios.tasks import make_busy_once, make_need_together
from testbeds.sge import SgeBed

MakeController = Callable[..., crew.Controller]

pytestmark = pytest.mark.timeout(300)


class SgeSite(OpenSite):
    """The shared bed, as scenarios trouble it."""

    launcher = "sge"

    def unfinished(self, controller: str) -> list[str]:
        listed = ElementTree.fromstring(self._bed.ask("qstat", "-xml", "-g", "d", "-u", "*"))
        return [
            ".".join(filter(None, (job.findtext("JB_job_number"), job.findtext("tasks"))))
            for job in listed.iter("job_list")
            if f"crew-{controller}-" in (job.findtext("JB_name") or "")
        ]

    def shown(self, job: str) -> str:
        script = self._bed.place / "spool" / "qmaster" / "job_scripts" / job.partition(".")[0]
        return self._bed.ask("qstat", "-j", job.partition(".")[0]) + script.read_text()

    def submit(self) -> str:
        quiet = ("-o", "/dev/null", "-e", "/dev/null")
        return self._bed.ask("qsub", "-terse", "-b", "y", *quiet, "sleep", "600").strip()

    def lists(self, job: str) -> bool:
        return self._bed.run("qstat", "-j", job).returncode == 0

    def cancel(self, job: str) -> None:
        self._bed.ask("qdel", job)


class TestSge(SessionScenarios):
    @pytest.fixture
    def site(self, on_sge: SgeBed) -> SgeSite:
        return SgeSite(on_sge)

    def test_a_job_that_is_run_again_starts_no_second_worker(
        self, make: MakeController, on_sge: SgeBed, folder: Path, site: SgeSite
    ) -> None:
        controller = make(workers=1, crashes_max=0, extra_directives=("-r y",))
        task = controller.push(make_busy_once(), (folder, 600.0))
        until(lambda: list(folder.iterdir()), "the task runs")
        (job,) = site.unfinished(controller.name)
        on_sge.ask("qmod", "-rj", job)
        assert task.result(120) == 2
        record = task.record
        assert record is not None
        until(lambda: site.unfinished(controller.name) == [record.job], "it has ended")

    def test_a_job_in_error_is_told_at_once(
        self, make: MakeController, site: SgeSite, tmp_path: Path
    ) -> None:
        gone = tmp_path / "gone"
        controller = make(workers=1, log_output=gone / "$JOB_ID")
        site.hold()
        controller.push("1")
        until(lambda: site.unfinished(controller.name), "a job waits")
        gone.rmdir()
        site.release()
        with pytest.raises(crew.LaunchError, match="can't open output file"):
            controller.wait(seconds_timeout=120)
        until(lambda: not site.unfinished(controller.name), "the job is cancelled")

    def test_a_resource_that_the_site_does_not_have_is_told(self, make: MakeController) -> None:
        controller = make(workers=1, gpu=1)
        controller.push("1")
        with pytest.raises(crew.LaunchError, match='unknown resource "gpu"'):
            controller.wait(seconds_timeout=120)

    def test_too_little_memory_is_more_the_next_time(self, make: MakeController) -> None:
        """What all processes of a job have together is more than one of them may have alone."""
        controller = make(
            workers=1, memory_gigabytes_limit=(1.0, 4.0), memory_limit_resource="h_vmem"
        )
        task = controller.push(make_need_together(), (1400,))
        assert task.result(120) == 0
        assert task.record is not None
        assert task.record.attempts == 2

    def test_too_little_memory_at_the_last_step_is_a_crash(self, make: MakeController) -> None:
        controller = make(
            workers=1,
            memory_gigabytes_limit=1.0,
            memory_limit_resource="h_vmem",
            crashes_max=0,
        )
        task = controller.push(make_need_together(), (1400,))
        assert isinstance(task.exception(120), crew.WorkerCrashError)
        assert task.record is not None
        assert task.record.cause == "out_of_memory"

    def test_the_monitor_tells_how_jobs_ended(
        self, make: MakeController, own_options: dict[str, Any]
    ) -> None:
        lines = ("echo this is why", "exit 7")
        controller = make(workers=1, launch_max=1, script_lines=lines)
        controller.push("1")
        with pytest.raises(crew.LaunchError, match="exit_status 7"):
            controller.wait(seconds_timeout=120)
        directory = own_options["script_directory"]
        monitor: Any = crew.monitor("sge", script_directory=directory)
        table = monitor.jobs()
        (row,) = table[table["controller"] == controller.name].to_dict("records")
        assert (row["state"], row["raw_state"]) == ("failed", "z")
        assert "exit_status 7" in row["reason"]
        assert "this is why" in monitor.log(row["job"])

    def test_jobs_get_variables_if_the_user_says_so(
        self, make: MakeController, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OF_THE_USER", "a b")
        look = "__import__('os').environ.get('OF_THE_USER')"
        assert make(workers=1, envvars=True).push(look).result(120) == "a b"
        assert make(workers=1).push(look).result(120) is None

    def test_what_the_user_wants_is_written_elsewhere(
        self, make: MakeController, tmp_path: Path
    ) -> None:
        place = tmp_path / "of the user"
        controller = make(workers=1, log_output=place / "$JOB_ID.log")
        controller.push("__import__('os').system('echo told >/proc/$PPID/fd/1')").result(120)
        (job,) = controller.launcher.summary()["job"]
        assert (place / f"{job}.log").exists()
