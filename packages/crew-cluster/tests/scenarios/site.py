"""What a test does to a site, and sees of it, beside crew."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from testbeds.bed import Bed


class Site(ABC):
    """The scheduler of a testbed, for a test to trouble.

    Attributes:
        launcher: the launcher's name.
    """

    launcher: ClassVar[str]

    def __init__(self, bed: Bed) -> None:
        self._bed = bed
        self._stopped = self._held = False

    @abstractmethod
    def unfinished(self, controller: str) -> list[str]:
        """Jobs of this controller that wait or run, one for each worker."""

    @abstractmethod
    def cancel(self, job: str) -> None:
        """End a job behind crew's back."""

    def hold(self) -> None:
        """Start no more jobs."""
        self._held = True
        for host in self._bed.hosts():
            self._bed.drain(host)

    def release(self) -> None:
        """Start jobs again."""
        for host in self._bed.hosts() if self._held else ():
            self._bed.restore(host)
        self._held = False

    def refuse(self) -> None:
        """Take no submissions."""
        self._bed.refuse()

    def accept(self) -> None:
        """Take submissions again."""
        self._bed.accept()

    def stop(self) -> None:
        """Stop the scheduler's daemon."""
        self._bed.stop_scheduler()
        self._stopped = True

    def start(self) -> None:
        """Start it again, if this stopped it."""
        if self._stopped:
            self._bed.start_scheduler()
            self._stopped = False


def until(is_so: Callable[[], object], what: str, seconds: float = 120.0) -> None:
    """Return as soon as something is so; fail when it is not in time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.1)


def environment_of(pid: int) -> dict[str, str]:
    """The variables that a process was started with."""
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    return {name: value for entry in entries for name, sep, value in [entry.partition("=")] if sep}
