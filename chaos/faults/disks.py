"""Full and slow disks: for logs, for objects, for shared memory."""

from __future__ import annotations

import subprocess
from pathlib import Path

from chaos.faults.base import Fault
from chaos.room import Room
from chaos.session import Session

_TIMES = 3


class _OnDisk(Fault):
    @classmethod
    def lacks(cls) -> str | None:
        """Disks of our own."""
        return Room.lacks()

    @classmethod
    def fits(cls, session: Session) -> bool:
        """Those whose disks are their own."""
        return session.room.is_apart

    def _place(self, session: Session) -> Path:
        raise NotImplementedError


class _FullDisk(_OnDisk):
    seconds = (1.0, 3.0)

    def __init__(self) -> None:
        self._filler: Path | None = None

    def apply(self, session: Session) -> None:
        """Fill it."""
        self._filler = session.room.fill(self._place(session))

    def heal(self, session: Session) -> list[str]:
        """Make room again."""
        if self._filler is not None:
            self._filler.unlink()
        return []


class FullLogs(_FullDisk):
    """No room for logs."""

    name = "the disk of the logs is full"
    promise = "logs end, tasks go on; later workers have logs again"
    often = 2

    def _place(self, session: Session) -> Path:
        return session.folder / "disk"


class FullSpill(_FullDisk):
    """No room for objects."""

    name = "the disk of put() is full"
    promise = "objects stay in memory"
    often = 2

    def _place(self, session: Session) -> Path:
        return session.folder / "spill"


class FullSharedMemory(_FullDisk):
    """No room for large arrays."""

    name = "the shared memory is full"
    promise = "large arrays travel through the processes"
    often = 2

    def _place(self, session: Session) -> Path:
        return Path("/dev/shm")


class _SlowDisk(_OnDisk):
    """A disk on which writes wait, and go on for a moment three times."""

    def __init__(self) -> None:
        self._stalling: subprocess.Popen[bytes] | None = None

    def apply(self, session: Session) -> None:
        """Let writes wait, for a second or two at a time."""
        each = self.seconds[0] / _TIMES
        self._stalling = session.room.stall(self._place(session), times=_TIMES, seconds=each)

    def heal(self, session: Session) -> list[str]:
        """It goes on by itself."""
        if self._stalling is not None:
            self._stalling.wait()
        return []


class SlowLogs(_SlowDisk):
    """Who prints must wait."""

    name = "the disk of the logs is slow"
    promise = "who prints waits; nothing is lost or repeated"
    seconds = (3.0, 3.0)
    often = 2

    def _place(self, session: Session) -> Path:
        return session.folder / "disk"


class SlowSpill(_SlowDisk):
    """The dispatcher must wait when it moves an object out of memory."""

    name = "the disk of put() is slow"
    promise = "all wait while the dispatcher writes an object; nothing is lost or repeated"
    seconds = (6.0, 6.0)  # objects come one or two in a second at most
    often = 2

    def _place(self, session: Session) -> Path:
        return session.folder / "spill"
