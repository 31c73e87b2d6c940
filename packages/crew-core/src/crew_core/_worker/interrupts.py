"""The supervisor's SIGINT: it interrupts the task that runs, and nothing else.

A signal handler may run between any two bytecodes, also just before a task begins and just after it
ends. Two things keep its exception inside the task: it is raised only while ``armed``, and raising
it disarms. So it is raised at most once per task, and whoever catches it can do so undisturbed.
"""

from __future__ import annotations

import signal

# signal.getsignal converts what it returns to an enum, which is most of its 1.6 microseconds.
from _signal import getsignal  # type: ignore[import-not-found]
from types import FrameType

from crew_core._worker.broken_imports import forget_broken_imports

_INT, _ALRM, _TERM = int(signal.SIGINT), int(signal.SIGALRM), int(signal.SIGTERM)


class TaskInterrupt(KeyboardInterrupt):
    """The task was interrupted: it was cancelled, or ran out of time."""

    def __str__(self) -> str:
        return "the task was interrupted"


class Interrupts:
    """Our handler of SIGINT.

    Attributes:
        armed: True while a task may be interrupted.
        fired: True when the running, or else the last task was interrupted.
    """

    def __init__(self) -> None:
        self.armed = False
        self.fired = False
        self._handler = self._on_interrupt  # one bound method, to compare with

    def install(self) -> None:
        """Make SIGINT ours."""
        signal.signal(signal.SIGINT, self._handler)

    def restore(self) -> None:
        """Undo what a task did to SIGINT, the alarm clock and SIGTERM, and we to its imports."""
        if getsignal(_INT) is not self._handler:
            self.install()
        if getsignal(_ALRM):  # SIG_DFL is 0: someone set a timer and may have left it on
            signal.alarm(0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        if getsignal(_TERM):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        if self.fired:
            forget_broken_imports()

    def arm(self) -> None:
        """A task begins."""
        self.fired = False
        self.armed = True

    def _on_interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        if self.armed:
            self.armed = False
            self.fired = True
            raise TaskInterrupt
