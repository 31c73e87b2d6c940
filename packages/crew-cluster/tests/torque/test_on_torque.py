"""What must hold on every scheduler holds with TORQUE's commands, and what only they do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import crew_core as crew
from scenarios.printing import LateOutputScenarios
from scenarios.site import environment_of, until
from scenarios.suite import Scenarios
from scenarios.tasks import make_busy_once, make_need
from testbeds.torque import TorqueBed
from torque.site import TorqueSite

MakeController = Callable[..., crew.Controller]

pytestmark = pytest.mark.timeout(300)


class TestTorque(Scenarios, LateOutputScenarios):
    @pytest.fixture
    def site(self, on_torque: TorqueBed, own_options: dict[str, Any]) -> TorqueSite:
        return TorqueSite(on_torque, own_options["script_directory"])

    def test_too_little_memory_is_more_the_next_time(self, make: MakeController) -> None:
        controller = make(workers=1, memory_gigabytes_required=(0.2, 1.0))
        task = controller.push(make_need(), (400,))
        assert task.result(120) == 400
        assert task.record is not None
        assert task.record.attempts == 2

    def test_a_job_whose_time_is_over(
        self, make: MakeController, on_torque: TorqueBed, folder: Path, site: TorqueSite
    ) -> None:
        """SLURM looks each half minute; the worker itself does not know that it was cut short."""
        controller = make(workers=1)
        task = controller.push(make_busy_once(), (folder, 600.0))
        until(lambda: list(folder.iterdir()), "the task runs")
        (job,) = site.unfinished(controller.name)
        on_torque.expire(job)
        assert task.result(120) == 2

    def test_a_worker_knows_when_its_job_ends(self, make: MakeController) -> None:
        controller = make(
            workers=1, walltime_hours=None, extra_directives=("-l walltime=00:05:00",)
        )
        told = controller.push(
            "import os; [os.environ[n] for n in ('CREW_JOB_START_TIME', 'CREW_JOB_END_TIME')]"
        )
        start, end = map(int, told.result(120))
        assert abs(end - start - 300) <= 30  # both are read off a clock, one after the other

    def test_a_node_fails(
        self, make: MakeController, on_torque: TorqueBed, folder: Path, site: TorqueSite
    ) -> None:
        controller = make(workers=1)
        task = controller.push(make_busy_once(), (folder, 600.0))
        until(lambda: list(folder.iterdir()), "the task runs")
        (job,) = site.unfinished(controller.name)
        on_torque.fail(on_torque.ask("squeue", "-h", "-j", job, "-o", "%N").strip())
        assert task.result(120) == 2  # the node comes back by itself
        assert task.record is not None
        assert task.record.job != job

    def test_a_drained_node_gets_no_workers(
        self, make: MakeController, on_torque: TorqueBed
    ) -> None:
        idle, drained = on_torque.hosts()[:2]
        on_torque.drain(drained)
        try:
            controller = make(workers=4)
            tasks = [controller.push("__import__('os').environ['SLURMD_NODENAME']")]
            tasks += [controller.push("__import__('os').environ['SLURMD_NODENAME']")]
            assert {task.result(120) for task in tasks} == {idle}
        finally:
            on_torque.restore(drained)

    def test_a_job_that_is_run_again_starts_no_second_worker(
        self, make: MakeController, on_torque: TorqueBed, folder: Path, site: TorqueSite
    ) -> None:
        controller = make(workers=1, drop_directives=("-r",))
        task = controller.push(make_busy_once(), (folder, 600.0))
        until(lambda: list(folder.iterdir()), "the task runs")
        (job,) = site.unfinished(controller.name)
        on_torque.ask("scontrol", "requeue", job)
        assert task.result(120) == 2
        record = task.record
        assert record is not None
        until(lambda: site.unfinished(controller.name) == [record.job], "it has ended")

    def test_nothing_that_others_see_holds_a_secret(
        self, make: MakeController, on_torque: TorqueBed, own_options: dict[str, Any]
    ) -> None:
        controller = make(workers=2)
        task = controller.push("import os; (os.getppid(), os.environ.get('CREW_SECRET'))")
        supervisor, inherited = task.result(120)
        assert inherited is None
        secret = environment_of(supervisor)["CREW_SECRET"]
        assert secret
        shown = on_torque.ask("qstat", "-f") + on_torque.ask("scontrol", "show", "job")
        assert secret not in shown
        for path in Path(own_options["script_directory"]).rglob("*"):
            assert not path.is_file() or secret not in path.read_text()

    def test_one_of_an_array_can_be_ended_alone(
        self, make: MakeController, folder: Path, site: TorqueSite, own_options: dict[str, Any]
    ) -> None:
        """TORQUE's commands on SLURM would end all of it by its id."""
        controller = make(workers=3)
        controller.launch(3)  # at once, and so as an array
        busy = "import time, pathlib; pathlib.Path(folder, str(i)).touch(); time.sleep(600)"
        for i in range(3):
            controller.push(busy, data={"folder": str(folder), "i": i})
        until(lambda: len(list(folder.iterdir())) == 3, "all run")
        launcher: Any = controller.launcher
        handles = sorted(launcher.find(list(_names(own_options))), key=lambda one: one.place)
        assert [handle.index for handle in handles] == [1, 2, 3]
        controller.descale()
        launcher.terminate(handles[:1])
        until(lambda: len(site.unfinished(controller.name)) < 3, "one has ended")
        assert len(site.unfinished(controller.name)) == 2

    def test_the_monitor_shows_and_ends_jobs(
        self, make: MakeController, own_options: dict[str, Any], site: TorqueSite
    ) -> None:
        lines = ("echo of the job", *own_options["script_lines"])
        controller = make(workers=2, script_lines=lines)
        controller.push("__import__('time').sleep(600)")
        controller.push("__import__('time').sleep(600)")
        monitor: Any = crew.monitor("torque", script_directory=own_options["script_directory"])

        def own() -> pd.DataFrame:
            table: pd.DataFrame = monitor.jobs()
            return table[table["controller"] == controller.name]

        until(lambda: list(own()["state"]) == ["running"] * 2, "both run")
        table = own()
        assert set(table["job"]) == set(controller.launcher.summary()["job"])
        assert set(table["instance"]) == set(controller.launcher.summary()["instance"])
        # SLURM says that a job runs before it has printed anything.
        until(
            lambda: [monitor.log(job) for job in table["job"]] == ["of the job\n"] * 2,
            "what they print is shown",
        )
        controller.descale()
        monitor.terminate(table["job"].iloc[0])
        until(lambda: len(site.unfinished(controller.name)) == 1, "one has ended")
        monitor.terminate(all=True)
        until(lambda: not site.unfinished(controller.name), "both have ended")
        with pytest.raises(crew.ConfigError, match="is no job of yours"):
            monitor.terminate("99999999")


def _names(own_options: dict[str, Any]) -> set[str]:
    """The names of all workers that were launched."""
    from crew_cluster._cluster.folder import records

    found = records(own_options["script_directory"])
    return {name for _, record in found for name in record["names"]}
