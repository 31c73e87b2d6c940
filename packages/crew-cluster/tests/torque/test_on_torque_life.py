"""Jobs by TORQUE's commands have limits of time, and workers mind them."""

from __future__ import annotations

import re
import time

import pytest

from scenarios.life import Life, LifeScenarios
from testbeds.torque import TorqueBed

pytestmark = pytest.mark.timeout(300)


class TestLife(LifeScenarios):
    @pytest.fixture(autouse=True)
    def on_site(self, on_torque: TorqueBed) -> None:
        self._bed = on_torque

    def life_of(self, job: str) -> Life:
        """As SLURM knows it, which counts whole minutes and tells the end of jobs."""
        told = dict(re.findall(r"(\w+)=(\S+)", self._bed.ask("scontrol", "show", "job", job)))
        hours, minutes, seconds = map(int, told["TimeLimit"].split(":"))
        is_over = told["JobState"] not in ("PENDING", "RUNNING", "COMPLETING")
        return Life(
            limit=hours * 3600 + minutes * 60 + seconds,
            submitted=moment(told["SubmitTime"]),
            ended=moment(told["EndTime"]) if is_over else None,
            code=int(told["ExitCode"].partition(":")[0]) if is_over else None,
        )


def moment(text: str) -> float:
    """SLURM's local time, in seconds since 1970."""
    return time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))
