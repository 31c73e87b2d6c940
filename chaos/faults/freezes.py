"""SIGSTOP and SIGCONT: processes that do not answer for a while."""

from __future__ import annotations

import signal
from collections.abc import Sequence

import psutil

from chaos.faults.base import Fault
from chaos.session import HEARTBEAT_SECONDS, NobodyError, Session, signal_all


class _Freeze(Fault):
    def __init__(self) -> None:
        self._frozen: Sequence[psutil.Process] = ()

    def apply(self, session: Session) -> None:
        """Stop them."""
        self._frozen = self._victims(session)
        signal_all(self._frozen, signal.SIGSTOP)

    def heal(self, session: Session) -> list[str]:
        """Let them go on."""
        signal_all(self._frozen, signal.SIGCONT)
        return []

    def _victims(self, session: Session) -> Sequence[psutil.Process]:
        raise NotImplementedError


class FreezeTaskProcess(_Freeze):
    """Stops what runs a task."""

    name = "a task process is frozen for a moment"
    promise = "its task takes longer; nothing is repeated"
    seconds = (0.5, 3.0)
    often = 2

    def _victims(self, session: Session) -> Sequence[psutil.Process]:
        return [session.one("task").process]


class FreezeSupervisor(_Freeze):
    """Stops a supervisor for less than its heartbeat's time."""

    name = "a supervisor is frozen for a moment"
    promise = "its worker is not given up; nothing is repeated"
    seconds = (0.5, 3.0)
    often = 2

    def _victims(self, session: Session) -> Sequence[psutil.Process]:
        return [session.one("supervisor").process]


class FreezeWorkerForLong(_Freeze):
    """Stops a whole worker for longer than its heartbeat's time."""

    name = "a worker is frozen for longer than seconds_heartbeat"
    promise = "it is lost and ended, what it held is run by others; its late outcomes do not count"
    seconds = (HEARTBEAT_SECONDS + 3, HEARTBEAT_SECONDS + 4)

    def _victims(self, session: Session) -> Sequence[psutil.Process]:
        victim = session.one("supervisor")
        session.struck.instances.add(victim.instance)
        return [victim.process, *session.task_processes(victim.instance)]


class FreezeDispatcher(_Freeze):
    """Stops the dispatcher."""

    name = "the dispatcher is frozen for a moment"
    promise = "nothing is lost or repeated"
    seconds = (0.5, 4.0)
    often = 2

    def _victims(self, session: Session) -> Sequence[psutil.Process]:
        return [session.one("dispatcher").process]


class FreezeClient(_Freeze):
    """Stops the user's own process."""

    name = "the user's process is frozen for a moment"
    promise = "nothing is lost or repeated"
    seconds = (0.5, 4.0)
    often = 2

    def _victims(self, session: Session) -> Sequence[psutil.Process]:
        if session.over:
            raise NobodyError("no client")
        return [psutil.Process(session.client.pid)]
