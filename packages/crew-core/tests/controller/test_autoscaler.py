"""The thread that launches workers: without it, tasks would wait for ever."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Sequence
from typing import cast

import pytest

import crew_core as crew
from crew_core._client.client import Client
from crew_core._controller.autoscaler import Autoscaler
from crew_core._controller.brakes import Brakes
from crew_core._controller.budget import Budget
from crew_core._controller.escalation import Escalation
from crew_core._controller.launch_failures import LaunchFailures
from crew_core._controller.platform import Foreground
from crew_core._controller.roster import Roster, Row
from crew_core._controller.throttle import Throttle
from crew_core._launcher.request import WorkerLaunch
from crew_core.plugins import JobReport
from crew_core.testing import FakeLauncher

SECONDS = 30.0


class Failing(Foreground):
    """A platform that fails in a way that nobody has thought of, once."""

    def __init__(self) -> None:
        super().__init__(FakeLauncher(), "bench")
        self.failed = threading.Event()
        self.asked_again = threading.Event()

    def reports(self, rows: Sequence[Row]) -> Sequence[JobReport]:
        if not self.failed.is_set():
            self.failed.set()
            raise RuntimeError("nobody has thought of this")
        self.asked_again.set()
        return super().reports(rows)


def make(row: Row, secret: str) -> WorkerLaunch:
    raise AssertionError("nobody is to be launched")


def test_its_thread_outlives_whatever_goes_wrong(caplog: pytest.LogCaptureFixture) -> None:
    platform, roster = Failing(), Roster()
    failures = LaunchFailures(1, lambda: None)
    used, working = roster.seconds_used, roster.working
    budget = Budget("bench", math.inf, used, working, lambda _on: None, lambda: None)
    throttle = Throttle(0.0, short_lived=False, gathers=lambda: False)
    autoscaler = Autoscaler(
        controller="bench",
        platform=platform,
        launcher=FakeLauncher(),
        client=cast(Client, None),  # for launches, of which there are none
        roster=roster,
        options=crew.ScalingOptions(),
        demand=lambda: 0,
        make_worker=make,
        brakes=Brakes(failures, budget, throttle),
        escalation=Escalation((math.inf,)),
    )
    try:
        with caplog.at_level(logging.ERROR, "crew"):
            autoscaler.kick()
            assert platform.failed.wait(SECONDS)
            autoscaler.kick()
            assert platform.asked_again.wait(SECONDS)
    finally:
        autoscaler.close()
    (record,) = [r for r in caplog.records if "'bench'" in r.getMessage()]
    assert record.exc_info is not None
    assert "nobody has thought of this" in str(record.exc_info[1])
