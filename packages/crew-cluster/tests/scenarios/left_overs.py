"""What killed sessions leave: derive a class of tests; say what ``site`` and ``options`` are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
from scenarios.site import Site, until
from testbeds.turns import cleaning_up

Options = dict[str, Any]

_PROGRAM = """
import crew_core as crew, time
controller = crew.controller({launcher!r}, name={name!r}, workers=4, array_max=1, **{options!r})
controller.descale()  # all in one submission, of which one may run
for _ in range(4):
    controller.push("__import__('time').sleep(600)")
controller.autoscale()
time.sleep(600)
"""


class Session:
    """Somebody's program, with one worker at work and three that wait."""

    def __init__(self, site: Site, options: Options) -> None:
        self.name = crew.random_name()
        self._site = site
        plain = {
            key: str(value) if isinstance(value, Path) else value for key, value in options.items()
        }
        text = _PROGRAM.format(launcher=site.launcher, name=self.name, options=plain)
        self._process = subprocess.Popen([sys.executable, "-c", text])

    def jobs(self) -> list[str]:
        """Those that wait or run."""
        return self._site.unfinished(self.name)

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

    def _dispatchers(self) -> list[int]:
        local: Any = crew.monitor("local")
        table = local.dispatchers()
        return [int(pid) for pid in table.loc[table["controller"] == self.name, "pid"]]


class LeftOvers:
    """They end, and nothing else does."""

    @pytest.fixture
    def site(self) -> Site:
        """The site. Override this."""
        raise NotImplementedError

    @pytest.fixture
    def options(self) -> Options:
        """The session's options. Override this."""
        raise NotImplementedError

    @pytest.fixture
    def foreign(self) -> Iterator[str]:
        """A job of the same user that crew has not launched. Override this."""
        raise NotImplementedError

    def is_there(self, job: str) -> bool:
        """True while a job waits or runs. Override this."""
        raise NotImplementedError

    @pytest.fixture
    def session(self, site: Site, options: Options) -> Iterator[Session]:
        """A session at work."""
        session = Session(site, options)
        try:
            until(lambda: len(session.jobs()) == 4, "its jobs are there")
            yield session
        finally:
            session.kill()
            for job in session.jobs():
                site.cancel(job)

    def test_a_killed_session_leaves_no_jobs(self, session: Session, foreign: str) -> None:
        session.kill()
        until(lambda: not session.jobs(), "its jobs have ended")
        assert self.is_there(foreign)

    def test_what_is_left_when_all_was_killed_is_cleaned_up(
        self, session: Session, foreign: str
    ) -> None:
        """As when the computer of the session was restarted."""
        with cleaning_up():  # nobody else is to end what it leaves
            session.kill_all()
            told = crew.clean()
        actions = told.loc[told["controller"] == session.name, "action"]
        assert actions.str.contains("ended job").sum() >= 3
        until(lambda: not session.jobs(), "its jobs have ended")
        assert self.is_there(foreign)

    def test_at_a_prompt_all_of_crews_jobs_are_ended_and_no_others(
        self, session: Session, foreign: str, site: Site
    ) -> None:
        session.kill_all()
        words = ["monitor", site.launcher, "terminate", "--all"]
        subprocess.run([sys.executable, "-m", "crew_core", *words], check=True)
        until(lambda: not session.jobs(), "its jobs have ended")
        assert self.is_there(foreign)
