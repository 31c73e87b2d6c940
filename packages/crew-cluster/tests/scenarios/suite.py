"""The scenarios: derive a class of tests, and define the fixtures ``site`` and ``make``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import crew_core as crew
from scenarios.site import Site, until
from scenarios.tasks import make_busy_once, make_kill_worker_once

MakeController = Callable[..., crew.Controller]


def number_of(job: str) -> str:
    """The number of the submission that a worker's job belongs to."""
    found = re.match(r"\d+", job)
    assert found is not None
    return found[0]


class Scenarios:
    """What must hold on every scheduler."""

    @pytest.fixture
    def site(self) -> Site:
        """The site. Override this."""
        raise NotImplementedError

    @pytest.fixture(autouse=True)
    def as_before(self, site: Site) -> Iterator[None]:
        """Whatever a test did to the site is over with the test."""
        yield
        site.start()
        site.accept()
        site.release()

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A folder that tasks see, too."""
        folder = tmp_path / "told"
        folder.mkdir()
        return folder

    def test_many_tasks_over_arrays(self, make: MakeController, site: Site) -> None:
        controller = make(workers=16)
        site.hold()  # or a few workers may have done it all before the others are asked for
        with ThreadPoolExecutor(1) as thread:
            mapped = thread.submit(controller.map, "i * i", iterate={"i": list(range(500))})
            try:
                until(lambda: len(site.unfinished(controller.name)) == 16, "all are asked for")
            finally:
                site.release()
            table = mapped.result(200)
        assert list(table["result"]) == [i * i for i in range(500)]
        elements = controller.launcher.summary()["job"]
        assert len(elements) == 16
        assert len({number_of(job) for job in elements}) < len(elements)

    def test_to_nothing_and_up_again(self, make: MakeController, site: Site) -> None:
        controller = make(workers=2, seconds_idle=0.5)
        assert controller.submit(pow, 2, 3).result(100) == 8
        until(lambda: not site.unfinished(controller.name), "all workers have left")
        assert controller.submit(pow, 2, 4).result(100) == 16

    def test_a_running_job_is_cancelled_by_somebody(
        self, make: MakeController, site: Site, folder: Path
    ) -> None:
        controller = make(workers=1)
        task = controller.push(make_busy_once(), (folder, 600.0))
        until(lambda: list(folder.iterdir()), "the task runs")
        (job,) = site.unfinished(controller.name)
        site.cancel(job)
        assert task.result(120) == 2
        assert task.record is not None
        assert task.record.attempts == 2
        assert task.record.job != job

    def test_a_waiting_job_is_cancelled_by_somebody(self, make: MakeController, site: Site) -> None:
        controller = make(workers=1)
        site.hold()
        task = controller.submit(pow, 2, 3)
        until(lambda: site.unfinished(controller.name), "a job waits")
        (job,) = site.unfinished(controller.name)
        site.cancel(job)
        site.release()
        assert task.result(120) == 8

    def test_a_worker_is_killed(self, make: MakeController, folder: Path) -> None:
        task = make(workers=1).push(make_kill_worker_once(), (folder,))
        assert task.result(120) == 2

    def test_a_refused_submission_is_told(self, make: MakeController, site: Site) -> None:
        controller = make(workers=1, launch_max=1)
        site.refuse()
        controller.push("1")
        with pytest.raises(crew.LaunchError) as caught:
            controller.wait(seconds_timeout=100)
        assert caught.value.stderr
        site.accept()
        controller.launcher.reset()
        assert controller.wait(seconds_timeout=100)

    def test_the_scheduler_stops_and_starts_in_the_middle(
        self, make: MakeController, site: Site, folder: Path
    ) -> None:
        controller = make(workers=2, seconds_command=3.0, launch_max=100)
        first = controller.submit(pow, 2, 3)
        assert first.result(100) == 8
        site.stop()
        tasks = [controller.submit(pow, 2, i) for i in range(20)]
        assert [task.result(100) for task in tasks] == [2**i for i in range(20)]
        site.start()
        busy = [controller.push("__import__('time').sleep(1)") for _ in range(4)]
        assert [task.result(120) for task in busy] == [None] * 4

    def test_nothing_starts_for_some_time(self, make: MakeController, site: Site) -> None:
        controller = make(workers=2)
        site.hold()
        task = controller.submit(pow, 2, 3)
        until(lambda: site.unfinished(controller.name), "a job waits")
        assert not task.done()
        site.release()
        assert task.result(120) == 8

    def test_termination_ends_what_runs_and_what_waits(
        self, make: MakeController, site: Site, folder: Path
    ) -> None:
        controller = make(workers=6, array_max=3)
        busy = "import time, pathlib; pathlib.Path(folder, str(i)).touch(); time.sleep(600)"
        for i in range(6):
            controller.push(busy, data={"folder": str(folder), "i": i})
        until(lambda: list(folder.iterdir()), "some run")
        until(lambda: len(site.unfinished(controller.name)) >= 6, "some wait")
        controller.terminate()
        until(lambda: not site.unfinished(controller.name), "all jobs have ended")

    def test_demand_that_is_gone_cancels_what_waits(self, make: MakeController, site: Site) -> None:
        controller = make(workers=4)
        site.hold()
        for i in range(4):
            controller.push("1", name=str(i))
        until(lambda: len(site.unfinished(controller.name)) == 4, "all wait")
        controller.cancel(all=True)
        until(lambda: not site.unfinished(controller.name), "all jobs have ended")

    def test_two_controllers_do_not_meet(self, make: MakeController, site: Site) -> None:
        one, two = make(workers=2), make(workers=2)
        tasks = [c.submit(pow, 2, i) for i in range(10) for c in (one, two)]
        assert [task.result(100) for task in tasks] == [2**i for i in range(10) for _ in (one, two)]
        one.terminate()
        until(lambda: not site.unfinished(one.name), "its jobs have ended")
        assert two.submit(pow, 2, 3).result(100) == 8

    def test_a_thousand_and_one_wait(self, make: MakeController, site: Site) -> None:
        controller = make(workers=1001)
        site.hold()
        for i in range(1001):
            controller.submit(pow, 2, i)
        until(lambda: len(site.unfinished(controller.name)) == 1001, "all wait")
        controller.terminate()
        until(lambda: not site.unfinished(controller.name), "all jobs have ended")
