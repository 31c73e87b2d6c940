"""The end of a whole session: its dispatcher, its user's process or all of it is killed."""

from __future__ import annotations

import signal
import time

import psutil

from chaos import checks
from chaos.faults.base import Fault
from chaos.session import NobodyError, Session, signal_all
from testbeds.turns import cleaning_up

_TOLD_SECONDS = 60.0


class _Death(Fault):
    @classmethod
    def fits(cls, session: Session) -> bool:
        """Those that are not to show how memory goes over a long life."""
        return session.may_die


class KillDispatcher(_Death):
    """Kills the dispatcher."""

    name = "the dispatcher is killed"
    promise = (
        "a DispatcherError that says so; unfinished tasks are lost, and the controller works "
        "again after terminate()"
    )

    def __init__(self) -> None:
        self._known = 0

    def apply(self, session: Session) -> None:
        """Kill it."""
        if session.over:
            raise NobodyError("no client")
        self._known = _told(session)
        victim = session.one("dispatcher").process
        if victim.pid not in _started(session):
            raise NobodyError("the dispatcher is just starting")
        signal_all([victim], signal.SIGKILL)

    def heal(self, session: Session) -> list[str]:
        """The client must have been told, and have terminated the controller."""
        deadline = time.monotonic() + _TOLD_SECONDS
        while _told(session) < self._known + 2:
            if session.over and _told(session) == self._known:
                return []  # it had all its records, and was just leaving
            if session.over or time.monotonic() > deadline:
                return ["the client was not told of its dispatcher's death"]
            time.sleep(0.1)
        texts = [e["text"] for e in checks.read_events(session.folder) if "text" in e]
        if not texts or "killed by signal 9" not in texts[-1]:
            return [f"the error does not say what happened: {texts[-1:]}"]
        return []


class KillClient(_Death):
    """Kills the user's process."""

    name = "the user's process is killed"
    promise = (
        "all of its processes and files are gone within ten seconds, but for workers over a "
        "network that were just coming: they look for their dispatcher for thirty"
    )

    def apply(self, session: Session) -> None:
        """Kill it."""
        if session.over:
            raise NobodyError("no client")
        session.client.kill()
        session.client.wait()

    def heal(self, session: Session) -> list[str]:
        """Nothing must be left; then the next comes."""
        left = session.left_over()
        session.begin_again()
        return [f"left: {one}" for one in left]


class KillEverything(_Death):
    """Kills all processes of a session at once."""

    name = "all processes are killed at once"
    promise = "the next start does not need what is left, and `crew clean` removes it"

    def apply(self, session: Session) -> None:
        """Stop all, so that none has the time to notice, and kill them."""
        if session.over:
            raise NobodyError("no client")
        kinds = ("dispatcher", "daemon", "supervisor", "task", "other")
        found = [psutil.Process(session.client.pid)]
        found += [member.process for kind in kinds for member in session.members(kind)]
        signal_all(found, signal.SIGSTOP)
        signal_all(found, signal.SIGKILL)
        session.client.wait()

    def heal(self, session: Session) -> list[str]:
        """Clean up as a person would; then the next comes."""
        with cleaning_up():
            done = session.command("clean")
        left = session.left_over()
        session.begin_again()
        problems = [f"left after crew clean: {one}" for one in left]
        if done.returncode:
            problems.append(f"crew clean failed: {done.stderr.strip()[-300:]}")
        return problems


def _started(session: Session) -> set[int]:
    """The dispatchers that have come up."""
    events = checks.read_events(session.folder)
    return {int(event["pid"]) for event in events if event["event"] == "started"}


def _told(session: Session) -> int:
    """How often the client has written of a lost dispatcher, and of what it did then."""
    events = checks.read_events(session.folder)
    return sum(event["event"] in ("dispatcher lost", "terminated") for event in events)
