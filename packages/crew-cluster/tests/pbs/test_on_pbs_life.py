"""Jobs of PBS have limits of time, and workers mind them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

import crew_core as crew
from pbs.site import attributes_of
from scenarios.life import Life, LifeScenarios
from scenarios.site import until
from scenarios.tasks import make_busy_once
from testbeds.pbs import PbsBed

MakeController = Callable[..., crew.Controller]

pytestmark = pytest.mark.timeout(300)


class TestLife(LifeScenarios):
    @pytest.fixture(autouse=True)
    def on_site(self, on_pbs: PbsBed) -> None:
        self._bed = on_pbs

    def life_of(self, job: str) -> Life:
        told = attributes_of(self._bed, job)
        hours, minutes, seconds = map(int, told["Resource_List.walltime"].split(":"))
        is_over = told["job_state"] == "F"
        return Life(
            limit=hours * 3600 + minutes * 60 + seconds,
            submitted=moment(told["qtime"]),
            ended=moment(told["obittime"]) if is_over else None,
            code=int(told["Exit_status"]) if is_over else None,
        )

    def test_whom_pbs_ends_at_its_time_is_not_blamed(
        self, make: MakeController, tmp_path: Path
    ) -> None:
        """The worker does not know of it: where jobs run there is no qstat."""
        folder = tmp_path / "told"
        folder.mkdir()
        limit = ("-l walltime=00:00:25",)  # long enough for the worker to come, and to work
        controller = make(workers=1, walltime_hours=None, extra_directives=limit, crashes_max=0)
        task = controller.push(make_busy_once(), (folder, 600.0))
        until(lambda: list(folder.iterdir()), "the task runs")
        (job,) = controller.launcher.summary()["job"]
        assert task.result(120) == 2
        assert attributes_of(self._bed, job)["Exit_status"] == "-29"


def moment(text: str) -> float:
    """PBS's local time, in seconds since 1970."""
    return time.mktime(time.strptime(text))
