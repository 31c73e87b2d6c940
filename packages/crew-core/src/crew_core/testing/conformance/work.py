"""Checks with real workers and controllers: they connect, work, and leave."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from crew_core._launcher.base import Launcher
from crew_core._launcher.command import job_name, worker_command, worker_environment
from crew_core._launcher.processes import find
from crew_core._launcher.request import LaunchRequest, WorkerLaunch
from crew_core._model.names import random_name
from crew_core._model.states import JobState
from crew_core.testing.bench import Bench
from crew_core.testing.conformance.base import Checks, needs
from crew_core.testing.recorded import Recorded

# Tasks are text, lest the worker's machine needs pytest to read them.
WHO = "import os; (os.environ['CREW_CONTROLLER'], os.getpid())"
VARIABLES = "import os; dict(os.environ)"
MEET = """
import os, pathlib, time
pathlib.Path(folder, f"here-{number}").touch()
deadline = time.monotonic() + seconds
while len(list(pathlib.Path(folder).glob("here-*"))) < 2 and time.monotonic() < deadline:
    time.sleep(0.01)
os.getpid()
"""


class WorkChecks(Checks):
    """Real workers connect, work and leave."""

    def test_a_worker_connects_and_works(self, bench: Bench) -> None:
        """A launcher's worker dials back to its controller and runs a task."""
        with bench.controller(bench.launcher()) as controller:
            assert bench.result(controller, "6 * 7") == 42, "the task's result must come back"

    def test_several_workers_work_at_once(self, bench: Bench) -> None:
        """A launcher's workers are processes of their own, each with its own work."""
        where = {"folder": str(bench.folder), "seconds": bench.seconds}
        with bench.controller(bench.launcher(), workers=2) as controller:
            first = controller.push(MEET, data={**where, "number": 1})
            second = bench.result(controller, MEET, **where, number=2)
            assert first.result(bench.seconds) != second, "two workers must be two processes"

    def test_two_controllers_work_at_once(self, bench: Bench) -> None:
        """A launcher serves each controller with workers of its own."""
        with (
            bench.controller(bench.launcher()) as one,
            bench.controller(bench.launcher()) as two,
        ):
            served = [bench.result(controller, WHO)[0] for controller in (one, two)]
            assert served == [one.name, two.name], "workers must serve the controller they are for"

    def test_launch_daemons_can_launch(self, bench: Bench) -> None:
        """A launcher works in a launch daemon, too: as a copy in another process."""
        with bench.controller(bench.launcher(), processes=1) as controller:
            assert bench.result(controller, "6 * 7") == 42, "a copy must launch as well"

    def test_tasks_see_no_secret(self, bench: Bench) -> None:
        """A launcher leaves no secret where tasks could read it."""
        launcher = Recorded(bench.launcher())
        with bench.controller(launcher) as controller:
            variables = bench.result(controller, VARIABLES)
        secrets = [w.env["CREW_SECRET"] for r in launcher.requests for w in r.workers]
        assert secrets, "crew gives each worker a secret"
        shown = [name for name, value in variables.items() if any(s in value for s in secrets)]
        assert shown == [], "tasks must not see the secret"

    def test_jobs_are_named_in_tables(self, bench: Bench) -> None:
        """A launcher's name of a job is where users look for it."""
        launcher = Recorded(bench.launcher())
        with bench.controller(launcher) as controller:
            bench.result(controller, "1")
            (job,) = controller.launcher.summary()["job"]
            assert job == launcher.job(launcher.handles[0]), "the summary must name the job"

    def test_workers_end_with_their_controller(self, bench: Bench) -> None:
        """A launcher's workers are gone soon after their controller has terminated."""
        with bench.controller(bench.launcher()) as controller:
            bench.result(controller, "1")
        bench.wait(lambda: not workers_of(controller.name), "workers must leave")

    def test_workers_without_a_dispatcher_end(self, bench: Bench) -> None:
        """A launcher's worker ends by itself when nobody is there who wants it."""
        launcher = bench.launcher()
        log = bench.folder / "orphan.log"
        worker = orphan(bench, log)
        request = LaunchRequest(controller="bench", launcher=launcher.name, workers=(worker,))
        handles = launcher.launch(request)
        try:
            if type(launcher).poll is Launcher.poll:
                bench.wait(log.exists, "a worker must write its log")
            else:  # its output may be kept elsewhere
                bench.final_state(launcher, handles[0])
            bench.wait(lambda: not workers_of(worker.instance), "an orphan must end")
        finally:
            with contextlib.suppress(Exception):
                launcher.terminate(handles)

    def test_idle_workers_finish(self, bench: Bench) -> None:
        """A launcher says "finished" of a worker that left because it had nothing to do."""
        needs(bench.launcher(), "poll")
        launcher = Recorded(bench.launcher())
        with bench.controller(launcher, seconds_idle=0.05) as controller:
            bench.result(controller, "1")
            state = bench.final_state(launcher, launcher.handles[0])
        assert state is JobState.FINISHED, "a worker that left as agreed has finished"


def workers_of(name: str) -> list[Any]:
    """Workers on this computer of this controller, or of this instance."""
    return [ours for ours in find("worker") if name in (ours.controller, ours.instance)]


def orphan(bench: Bench, log: Path) -> WorkerLaunch:
    """A real worker whose dispatcher is not there."""
    instance = random_name(8)
    url = f"unix://{bench.folder / 'nobody.sock'}"
    return WorkerLaunch(
        worker=1,
        instance=instance,
        name=job_name("bench", instance),
        argv=worker_command(bench.python, url, instance, "bench", log=str(log), grace=0.2),
        env=worker_environment("secret"),
        log=str(log),
    )
