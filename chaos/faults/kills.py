"""Random SIGKILL: of task processes, supervisors and launch daemons."""

from __future__ import annotations

import signal

from chaos.faults.base import Fault
from chaos.session import NobodyError, Session, signal_all


class KillTaskProcess(Fault):
    """Kills what runs a task."""

    name = "a task process is killed"
    promise = "its task is tried again on the same worker; no other task is repeated"
    often = 4

    def apply(self, session: Session) -> None:
        """Kill one."""
        victim = session.one("task").process
        session.struck.pids.add(victim.pid)
        signal_all([victim], signal.SIGKILL)


class KillSupervisor(Fault):
    """Kills a worker."""

    name = "a supervisor is killed"
    promise = "what its worker held and had not told is run by others; its processes end with it"
    often = 4

    def apply(self, session: Session) -> None:
        """Kill one."""
        victim = session.one("supervisor")
        session.struck.instances.add(victim.instance)
        signal_all([victim.process], signal.SIGKILL)


class KillAllWorkers(Fault):
    """Kills all workers at once."""

    name = "all workers are killed at once"
    promise = "as many are launched anew, and what was not told is run again"
    often = 2

    def apply(self, session: Session) -> None:
        """Kill them."""
        victims = session.members("supervisor")
        if not victims:
            raise NobodyError("no supervisor")
        session.struck.instances.update(victim.instance for victim in victims)
        signal_all([victim.process for victim in victims], signal.SIGKILL)


class KillDaemon(Fault):
    """Kills a launch daemon."""

    name = "a launch daemon is killed"
    promise = "another takes its place; its workers go on"
    often = 2

    @classmethod
    def fits(cls, session: Session) -> bool:
        """Those that have some."""
        return session.has_daemons

    def apply(self, session: Session) -> None:
        """Kill one."""
        signal_all([session.one("daemon").process], signal.SIGKILL)
