"""File descriptors run out: a process may open no further one for a while."""

from __future__ import annotations

import itertools
import signal
import sys
from pathlib import Path

import psutil

from chaos.faults.base import Fault
from chaos.session import NobodyError, Session, signal_all


class _NoDescriptors(Fault):
    seconds = (1.0, 3.0)

    def __init__(self) -> None:
        self._process: psutil.Process | None = None
        self._limits = (0, 0)

    @classmethod
    def lacks(cls) -> str | None:
        """A system that lets others' limits be set."""
        return None if sys.platform == "linux" else "Linux"

    def heal(self, session: Session) -> list[str]:
        """Put the limit back."""
        if self._process is not None:
            try:
                self._process.rlimit(psutil.RLIMIT_NOFILE, self._limits)
            except psutil.Error:
                return []  # it left meanwhile, which is allowed
        return []

    def _limit(self, process: psutil.Process) -> None:
        try:
            self._limits = process.rlimit(psutil.RLIMIT_NOFILE)
            # The limit is the first number that cannot be had. What it closes, it may open again.
            process.rlimit(psutil.RLIMIT_NOFILE, (_first_free(process.pid), self._limits[1]))
            self._process = process
        except (psutil.Error, OSError) as error:
            raise NobodyError(str(error)) from error


def _first_free(pid: int) -> int:
    taken = {int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir()}
    return next(number for number in itertools.count() if number not in taken)


class NoneAtDispatcher(_NoDescriptors):
    """The dispatcher cannot let anybody in."""

    name = "the dispatcher has no file descriptors left"
    promise = "new workers wait at its door; the others go on"

    def apply(self, session: Session) -> None:
        """Limit it, and have a new worker come."""
        self._limit(session.one("dispatcher").process)
        victim = session.one("supervisor")
        session.struck.instances.add(victim.instance)
        signal_all([victim.process], signal.SIGKILL)


class NoneAtClient(_NoDescriptors):
    """The user's process cannot launch."""

    name = "the user's process has no file descriptors left"
    promise = "launches fail and are tried again; tasks go on where workers are"

    def apply(self, session: Session) -> None:
        """Limit it, and have a worker launched."""
        if session.over:
            raise NobodyError("no client")
        victim = session.one("supervisor")
        self._limit(psutil.Process(session.client.pid))
        session.struck.instances.add(victim.instance)
        signal_all([victim.process], signal.SIGKILL)


class NoneAtWorker(_NoDescriptors):
    """A supervisor cannot start another task process."""

    name = "a supervisor has no file descriptors left when its task process dies"
    promise = "the worker gives its tasks back and leaves"

    def apply(self, session: Session) -> None:
        """Limit it, and end its task process."""
        victim = session.one("supervisor")
        self._limit(victim.process)
        for process in session.task_processes(victim.instance):
            session.struck.pids.add(process.pid)
            signal_all([process], signal.SIGKILL)
