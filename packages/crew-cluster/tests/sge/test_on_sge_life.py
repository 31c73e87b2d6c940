"""Jobs of Grid Engine have limits of time, and workers mind them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

import crew_core as crew
from scenarios.life import Life, LifeScenarios
from testbeds.sge import SgeBed

MakeController = Callable[..., crew.Controller]

pytestmark = pytest.mark.timeout(300)


class TestLife(LifeScenarios):
    @pytest.fixture(autouse=True)
    def on_site(self, on_sge: SgeBed) -> None:
        self._bed = on_sge

    def life_of(self, job: str) -> Life:
        """From the queue while the job is there, and then from the accounting."""
        listed = self._bed.run("qstat", "-j", job)
        is_over = listed.returncode != 0
        text = self._bed.run("qacct", "-j", job).stdout if is_over else listed.stdout
        if not text:  # it is being written
            return Life(0, 0.0, None, None)
        told = dict(re.findall(r"^(\w+):? +(.*?) *$", text, re.MULTILINE))
        (limit,) = re.findall(r"\bh_rt=(\d+)", text)
        return Life(
            limit=int(limit),
            submitted=moment(told["qsub_time" if is_over else "submission_time"]),
            ended=moment(told["end_time"]) if is_over else None,
            code=int(told["exit_status"].partition(" ")[0]) if is_over else None,
        )

    def test_a_worker_knows_when_its_queue_ends_it(self, make: MakeController) -> None:
        controller = make(workers=1, queue="short.q")
        told = controller.push(
            "import os; [os.environ[n] for n in ('CREW_JOB_START_TIME', 'CREW_JOB_END_TIME')]"
        )
        start, end = map(int, told.result(120))
        assert abs(end - start - 300) <= 30  # both are read off a clock, one after the other

    def test_a_queue_without_a_limit_ends_nobody(self, make: MakeController) -> None:
        controller = make(workers=1, queue="all.q")
        told = controller.push("__import__('os').environ.get('CREW_JOB_END_TIME')")
        assert told.result(120) is None


def moment(text: str) -> float:
    """Grid Engine's local time, in seconds since 1970."""
    return time.mktime(time.strptime(text))
