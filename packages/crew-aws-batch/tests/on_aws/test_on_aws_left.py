"""What sessions leave on AWS Batch that were killed: it ends, and nothing else does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
from on_aws.sight import live_jobs, secrets_left, until, workers_of
from testbeds.aws_batch import AwsBatchBed
from testbeds.turns import cleaning_up

Make = Callable[..., crew.Controller]

pytestmark = pytest.mark.timeout(300)

SESSION = """
import crew_core as crew, time
controller = crew.controller("aws_batch", name={name!r}, workers=4, **{options!r})
for _ in range(4):
    controller.push("__import__('time').sleep(600)")
time.sleep(600)
"""


class Session:
    """Somebody's program, with two workers at work and two that wait."""

    def __init__(self, bed: AwsBatchBed, options: dict[str, Any]) -> None:
        self.name = crew.random_name()
        bed.turn(max_running=2)
        text = SESSION.format(name=self.name, options=options)
        self._bed = bed
        self._process = subprocess.Popen([sys.executable, "-c", text])

    @property
    def jobs(self) -> list[str]:
        """Those that wait or run, arrays as one."""
        return live_jobs(self._bed, self.name)

    def works(self) -> bool:
        """True when somebody works and somebody waits."""
        states = self._states()
        return states.count("RUNNING") == 2 and states.count("RUNNABLE") == 2

    def is_over(self) -> bool:
        """True when nobody is at work."""
        return "RUNNING" not in self._states()

    def kill(self) -> None:
        """Kill the program; what it started is told nothing."""
        self._process.kill()
        self._process.wait()

    def kill_all(self) -> None:
        """Kill the program and its dispatcher, so that nobody is left to end the jobs."""
        until(self._dispatchers, "there is a dispatcher")
        (dispatcher,) = self._dispatchers()
        os.kill(dispatcher, signal.SIGSTOP)  # it must not see its program's end
        self.kill()
        os.kill(dispatcher, signal.SIGKILL)

    def _states(self) -> list[str]:
        return [self._bed.describe(name)["status"] for name in workers_of(self._bed, self.name)]

    def _dispatchers(self) -> list[int]:
        local: Any = crew.monitor("local")
        table = local.dispatchers()
        return [int(pid) for pid in table.loc[table["controller"] == self.name, "pid"]]


@pytest.fixture
def session(
    bed: AwsBatchBed,
    own_options: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Session]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    session = Session(bed, own_options)
    try:
        until(session.works, "two work and two wait")
        yield session
    finally:
        session.kill()
        for job in session.jobs:
            bed.ask_batch("TerminateJob", {"jobId": job, "reason": "the test is over"})


@pytest.fixture
def foreign(bed: AwsBatchBed) -> Iterator[str]:
    """A job of the same user that crew has not launched."""
    asked = {"jobName": "foreign", "jobQueue": bed.second_queue, "jobDefinition": bed.definition}
    command = {"containerOverrides": {"command": ["sleep", "600"]}}
    job = str(bed.ask_batch("SubmitJob", {**asked, **command})["jobId"])
    yield job
    bed.ask_batch("TerminateJob", {"jobId": job, "reason": "the test is over"})


def test_a_killed_session_leaves_no_jobs(bed: AwsBatchBed, session: Session, foreign: str) -> None:
    session.kill()
    until(lambda: not session.jobs, "its jobs have ended")
    until(lambda: secrets_left(session.name) == [], "no secret is left")
    assert bed.describe(foreign)["status"] != "FAILED"


def test_what_is_left_when_all_was_killed_is_cleaned_up(
    bed: AwsBatchBed, session: Session, foreign: str
) -> None:
    session.kill_all()
    with cleaning_up():
        told = crew.clean()
    actions = told.loc[told["controller"] == session.name, "action"]
    assert actions.str.contains("ended job").sum() >= 2
    until(lambda: not session.jobs, "its jobs have ended")
    assert secrets_left(session.name) == []
    assert bed.describe(foreign)["status"] != "FAILED"


def test_the_next_controller_of_that_name_ends_what_is_left(
    bed: AwsBatchBed, session: Session, make: Make, foreign: str
) -> None:
    session.kill_all()
    before = set(session.jobs)
    bed.turn(max_running=None)
    controller = make(name=session.name)
    assert controller.push("6 * 7").result(120) == 42
    until(lambda: not before & set(session.jobs), "the earlier jobs have ended")
    assert controller.push("6 * 7").result(120) == 42
    assert bed.describe(foreign)["status"] != "FAILED"


def test_workers_whose_session_is_gone_leave_by_themselves(
    bed: AwsBatchBed, session: Session
) -> None:
    bed.stop_scheduler()  # nobody can end them from outside
    session.kill_all()
    bed.start_scheduler()
    bed.turn(max_running=0)
    until(session.is_over, "they have given up", 160)
