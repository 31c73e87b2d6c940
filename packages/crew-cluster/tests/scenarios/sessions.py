"""Scenarios of whole sessions: what a killed one leaves, what others see, what a person does."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
from abc import abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

import crew_core as crew
from scenarios.site import Site, until
from scenarios.suite import Scenarios
from scenarios.tasks import make_busy_once
from testbeds.turns import cleaning_up

MakeController = Callable[..., crew.Controller]
Options = dict[str, Any]


class OpenSite(Site):
    """A scheduler that shows what it knows."""

    @abstractmethod
    def shown(self, job: str) -> str:
        """All that anybody can ask it about a job."""

    @abstractmethod
    def submit(self) -> str:
        """Submit a job of the user's own, with which crew has nothing to do; its id."""

    @abstractmethod
    def lists(self, job: str) -> bool:
        """Whether such a job waits or runs."""


class SessionScenarios(Scenarios):
    """What must hold on every scheduler, of whole sessions. Also define ``own_options``."""

    @pytest.fixture
    def site(self) -> OpenSite:
        """The site. Override this."""
        raise NotImplementedError

    def test_who_cancels_a_job_does_not_blame_its_task(
        self, make: MakeController, site: OpenSite, folder: Path
    ) -> None:
        controller = make(workers=1, crashes_max=0)
        task = controller.push(make_busy_once(), (folder, 600.0))
        until(lambda: list(folder.iterdir()), "the task runs")
        (job,) = site.unfinished(controller.name)
        site.cancel(job)
        assert task.result(120) == 2

    def test_a_killed_session_leaves_no_jobs(self, own_options: Options, site: OpenSite) -> None:
        with _session(site, own_options) as (name, session):
            session.kill()
            session.wait()
            until(lambda: not site.unfinished(name), "its jobs have ended")

    def test_clean_ends_what_nobody_is_left_to_end(
        self,
        own_options: Options,
        site: OpenSite,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        site.hold()
        with _session(site, own_options) as (name, session), _foreign(site) as foreign:
            with cleaning_up():  # nobody else is to end what it leaves
                os.kill(session.pid, signal.SIGSTOP)  # it must not see its dispatcher's end
                for process in psutil.Process(session.pid).children():
                    with contextlib.suppress(psutil.NoSuchProcess):  # a command that had ended
                        process.kill()
                session.kill()
                session.wait()
                assert len(site.unfinished(name)) == 4
                subprocess.run([sys.executable, "-m", "crew_core", "clean"], check=True)
            until(lambda: not site.unfinished(name), "its jobs have ended")
            assert site.lists(foreign)

    def test_all_are_ended_at_a_prompt(
        self, make: MakeController, site: OpenSite, own_options: Options
    ) -> None:
        controller = make(workers=2)
        controller.push("__import__('time').sleep(600)")
        with _foreign(site) as foreign:
            until(lambda: site.unfinished(controller.name), "it runs")
            controller.descale()
            words = ["monitor", site.launcher, "terminate", "--all"]
            subprocess.run([sys.executable, "-m", "crew_core", *words], check=True)
            until(lambda: not site.unfinished(controller.name), "it has ended")
            assert site.lists(foreign)

    def test_nothing_that_others_see_holds_a_secret(
        self, make: MakeController, site: OpenSite, own_options: Options
    ) -> None:
        controller = make(workers=2)
        task = controller.push("import os; (os.getppid(), os.environ.get('CREW_SECRET'))")
        supervisor, inherited = task.result(120)
        assert inherited is None
        secret = _variable(supervisor, "CREW_SECRET")
        assert secret
        for job in controller.launcher.summary()["job"]:
            assert secret not in site.shown(job)
        for path in Path(own_options["script_directory"]).rglob("*"):
            assert not path.is_file() or secret not in path.read_text()

    def test_the_monitor_shows_and_ends_jobs(
        self, make: MakeController, site: OpenSite, own_options: Options
    ) -> None:
        controller = make(workers=2)
        controller.push("__import__('time').sleep(600)")
        controller.push("__import__('time').sleep(600)")
        directory = own_options["script_directory"]
        monitor: Any = crew.monitor(site.launcher, script_directory=directory)

        def own() -> pd.DataFrame:
            table: pd.DataFrame = monitor.jobs()
            return table[table["controller"] == controller.name]

        until(lambda: list(own()["state"]) == ["running"] * 2, "both run")
        table = own()
        assert set(table["instance"]) == set(controller.launcher.summary()["instance"])
        assert set(table["host"]) == {os.uname().nodename.partition(".")[0]}
        controller.descale()
        monitor.terminate(list(table["job"]))
        ended = {"cancelled", "finished", "failed"}
        until(lambda: set(own()["state"]) <= ended, "they have ended")
        with pytest.raises(crew.ConfigError, match="is no job of yours"):
            monitor.terminate("99999999")


@contextlib.contextmanager
def _session(site: Site, options: Options) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A user's process with four jobs, of which one may run; and its controller's name."""
    name = f"session-{secrets.token_hex(3)}"
    text = (
        "import crew_core as crew, time\n"
        f"controller = crew.controller({site.launcher!r}, name={name!r}, workers=4, "
        f"array_max=1, script_directory={str(options['script_directory'])!r}, "
        f"script_lines={options['script_lines']!r})\n"
        "controller.descale()\n"  # all in one submission
        "for _ in range(4):\n"
        "    controller.push('__import__(\"time\").sleep(600)')\n"
        "controller.autoscale()\n"
        "time.sleep(600)\n"
    )
    session = subprocess.Popen([sys.executable, "-c", text])
    try:
        until(lambda: len(site.unfinished(name)) == 4, "its jobs are there")
        yield name, session
    finally:
        session.kill()
        session.wait()


@contextlib.contextmanager
def _foreign(site: OpenSite) -> Iterator[str]:
    """A job that crew did not launch."""
    job = site.submit()
    try:
        yield job
    finally:
        site.cancel(job)


def _variable(pid: int, name: str) -> str | None:
    """What a process was started with."""
    for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
        key, _, value = entry.partition(b"=")
        if key.decode() == name:
            return value.decode()
    return None
