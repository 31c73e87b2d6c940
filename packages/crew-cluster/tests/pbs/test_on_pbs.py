"""What must hold on every scheduler holds on the stand-in for PBS, and what only PBS does."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import crew_core as crew
from pbs.site import PbsSite, attributes_of
from scenarios.printing import LateOutputScenarios
from scenarios.site import environment_of, until
from scenarios.suite import Scenarios
from scenarios.tasks import make_busy_once, make_need
from testbeds.pbs import PbsBed

MakeController = Callable[..., crew.Controller]

pytestmark = pytest.mark.timeout(300)


class TestPbs(Scenarios, LateOutputScenarios):
    @pytest.fixture
    def site(self, on_pbs: PbsBed, own_options: dict[str, Any]) -> PbsSite:
        return PbsSite(on_pbs, own_options["script_directory"])

    def test_a_drained_node_gets_no_workers(self, make: MakeController, on_pbs: PbsBed) -> None:
        on_pbs.drain("n1")
        try:
            controller = make(workers=4)
            tasks = [controller.push("__import__('os').environ['PBS_NODEFILE']") for _ in range(8)]
            files = {task.result(120) for task in tasks}
            # Some may just be submitted.
            known = controller.launcher.summary()["job"].dropna()
            jobs = on_pbs.ask("qstat", "-x", "-t", "-f", *known)
        finally:
            on_pbs.restore("n1")
        assert files
        assert "exec_host = n2/0" in jobs
        assert "exec_host = n1/0" not in jobs

    def test_a_worker_on_a_lost_node_is_given_up_though_pbs_says_that_it_runs(
        self, make: MakeController, on_pbs: PbsBed, folder: Path, site: PbsSite
    ) -> None:
        controller = make(workers=1, seconds_heartbeat=10)
        supervisor = controller.push("__import__('os').getppid()").result(120)
        task = controller.push(make_busy_once(), (folder, 600.0))
        until(lambda: list(folder.iterdir()), "the task runs")
        (job,) = site.unfinished(controller.name)
        node = attributes_of(on_pbs, job)["exec_host"].partition("/")[0]
        on_pbs.fail(node)
        os.kill(supervisor, signal.SIGSTOP)  # silence, as of a computer without power
        try:
            assert task.result(120) == 2
            assert attributes_of(on_pbs, job)["job_state"] == "R"
        finally:
            on_pbs.restore(node)
        assert task.record is not None
        assert task.record.job != job

    def test_why_jobs_wait_is_told(
        self, make: MakeController, site: PbsSite, caplog: pytest.LogCaptureFixture
    ) -> None:
        controller = make(workers=1)
        site.hold()
        with caplog.at_level("INFO", logger="crew"):
            controller.push("1")
            until(lambda: "Not enough free nodes available" in caplog.text, "crew says why")

    def test_a_job_that_can_never_run_is_told_at_once(
        self, make: MakeController, site: PbsSite
    ) -> None:
        controller = make(workers=1, cores=64)
        controller.push("1")
        with pytest.raises(crew.LaunchError, match=r"Can Never Run.*ncpus"):
            controller.wait(seconds_timeout=120)
        until(lambda: not site.unfinished(controller.name), "the job is cancelled")

    def test_too_little_memory_is_more_the_next_time(self, make: MakeController) -> None:
        controller = make(workers=1, memory_gigabytes_required=(0.2, 1.0))
        task = controller.push(make_need(), (400,))
        assert task.result(120) == 400
        assert task.record is not None
        assert task.record.attempts == 2

    def test_too_little_memory_at_the_last_step_is_a_crash(self, make: MakeController) -> None:
        controller = make(workers=1, memory_gigabytes_required=0.2, crashes_max=1)
        task = controller.push(make_need(), (400,))
        assert isinstance(task.exception(120), crew.WorkerCrashError)
        assert task.record is not None
        assert task.record.cause == "out_of_memory"

    def test_a_qstat_that_knows_no_json_is_enough(
        self, make: MakeController, on_pbs: PbsBed, tmp_path: Path
    ) -> None:
        """As that of versions before 19."""
        qstat = on_pbs.ask("sh", "-c", "command -v qstat").strip()
        old = tmp_path / "qstat"
        old.write_text(
            '#!/bin/sh\nfor word; do\n    if [ "$word" = -E ]; then echo usage: >&2; exit 2; fi\n'
            f"done\nexec '{qstat}' \"$@\"\n"
        )
        old.chmod(0o700)
        controller = make(workers=1, memory_gigabytes_required=0.2, crashes_max=1, command_list=old)
        task = controller.push(make_need(), (400,))
        assert isinstance(task.exception(120), crew.WorkerCrashError)
        assert task.record is not None
        assert task.record.cause == "out_of_memory"

    def test_a_worker_knows_when_its_queue_ends_it(
        self, make: MakeController, on_pbs: PbsBed, own_options: dict[str, Any]
    ) -> None:
        commands = on_pbs.environment()["PATH"].partition(":")[0]
        controller = make(
            workers=1,
            walltime_hours=None,
            extra_directives=("-l walltime=00:05:00",),
            script_lines=(*own_options["script_lines"], f"PATH='{commands}':$PATH"),
        )
        told = controller.push(
            "import os; [os.environ[n] for n in ('CREW_JOB_START_TIME', 'CREW_JOB_END_TIME')]"
        )
        start, end = map(int, told.result(120))
        assert abs(end - start - 300) <= 30  # both are read off a clock, one after the other

    def test_workers_start_where_the_controller_runs(self, make: MakeController) -> None:
        assert make(workers=1).submit(Path.cwd).result(120) == Path.cwd()

    def test_jobs_that_are_run_again_start_no_second_worker(
        self, make: MakeController, on_pbs: PbsBed, folder: Path, site: PbsSite
    ) -> None:
        """As PBS does with the jobs of arrays when the daemon of their node was away."""
        controller = make(workers=2)
        controller.launch(2)  # at once, and so as an array
        wait = (
            "import time, pathlib\n"
            "pathlib.Path(folder, str(i)).touch()\n"
            "while not pathlib.Path(folder, 'go').exists(): time.sleep(0.1)\n"
            "i"
        )
        tasks = [controller.push(wait, data={"folder": str(folder), "i": i}) for i in range(2)]
        until(lambda: len(list(folder.iterdir())) == 2, "both run")
        on_pbs.stop_node()
        on_pbs.start_node()
        until(lambda: not site.unfinished(controller.name), "they have run again, and ended")
        (folder / "go").touch()
        assert [task.result(120) for task in tasks] == [0, 1]
        assert [task.record.attempts for task in tasks if task.record] == [1, 1]

    def test_nothing_that_others_see_holds_a_secret(
        self, make: MakeController, on_pbs: PbsBed, own_options: dict[str, Any]
    ) -> None:
        controller = make(workers=2)
        task = controller.push("import os; (os.getppid(), os.environ.get('CREW_SECRET'))")
        supervisor, inherited = task.result(120)
        assert inherited is None
        secret = environment_of(supervisor)["CREW_SECRET"]
        assert secret
        shown = on_pbs.ask("qstat", "-x", "-t", "-f") + on_pbs.ask("qstat", "-f", "-F", "json")
        assert secret not in shown
        for path in Path(own_options["script_directory"]).rglob("*"):
            assert not path.is_file() or secret not in path.read_text()

    def test_the_monitor_shows_and_ends_jobs(
        self, make: MakeController, own_options: dict[str, Any]
    ) -> None:
        lines = ("echo of the job", *own_options["script_lines"])
        controller = make(workers=2, script_lines=lines)
        controller.push("__import__('time').sleep(600)")
        controller.push("__import__('time').sleep(600)")
        monitor: Any = crew.monitor("pbs", script_directory=own_options["script_directory"])

        def own() -> pd.DataFrame:
            table: pd.DataFrame = monitor.jobs()
            return table[table["controller"] == controller.name]

        until(lambda: list(own()["state"]) == ["running"] * 2, "both run")
        table = own()
        assert set(table["instance"]) == set(controller.launcher.summary()["instance"])
        assert set(table["host"]) <= {"n1", "n2"}
        # PBS says that a job runs before it has printed anything.
        until(
            lambda: [monitor.log(job) for job in table["job"]] == ["of the job\n"] * 2,
            "what they print is shown",
        )
        controller.descale()
        monitor.terminate(list(table["job"]))
        until(lambda: set(own()["state"]) <= {"cancelled", "finished"}, "they have ended")
        with pytest.raises(crew.ConfigError, match="is no job of yours"):
            monitor.terminate("99999999")
