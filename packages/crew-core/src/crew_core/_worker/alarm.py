"""Signals while a task runs in the user's own process: Ctrl-C, its time limit, its cancelling.

Signals reach the main thread alone, so that a task in another thread can be neither interrupted by
Ctrl-C nor stopped: it ends when it ends. All handlers and timers are the user's again afterwards.
A Ctrl-C that strikes between two tasks, while things are put back, is kept until that is done.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from crew_core._worker.interrupts import Interrupts, TaskInterrupt

_SHORTEST_SECONDS = 1e-6  # zero would stop the timer
_LONGEST_SECONDS = 1e8


class GuestInterrupts(Interrupts):
    """What may interrupt one task.

    Attributes:
        overdue: True when the time limit struck.
        cancelled: True when the task was to be stopped.
        from_host: what the user's own handler of Ctrl-C raised in the task.
    """

    def __init__(self) -> None:
        super().__init__()
        self.overdue = False
        self.cancelled = False
        self.from_host: BaseException | None = None
        self._seconds: float | None = None
        self._lock = threading.Lock()
        self._installed = False
        self._cancels = 0  # signals that we sent and have not received
        self._kept: set[signal.Signals] = set()  # came while nothing could be interrupted
        self._before: dict[int, Any] = {}
        self._due: float | None = None  # when the time limit strikes
        self._alarm: float | None = None  # when the user's own timer does
        self._interval = 0.0  # of the user's timer

    # ── In the thread of the task ──────────────────────────────────────────────────────────────

    def install(self) -> None:
        """Make the signals ours, in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGALRM, signal.SIGTERM):
            self._before[number] = signal.getsignal(number)
        if callable(self._before[signal.SIGINT]):  # first: nothing interrupts the rest
            signal.signal(signal.SIGINT, self._handler)
            self._installed = True
        self._keep_timer()
        if callable(self._before[signal.SIGALRM]):
            signal.signal(signal.SIGALRM, self._on_alarm)

    def limit(self, seconds_timeout: float) -> None:
        """Interrupt the task that is about to begin after so long."""
        if self._before:
            signal.signal(signal.SIGALRM, self._on_alarm)
            self._seconds = min(seconds_timeout, _LONGEST_SECONDS)

    def arm(self) -> None:
        """The task begins: its time limit runs from now."""
        super().arm()
        if self.cancelled:
            self._interrupt()
        if self._seconds is not None:
            self._due = time.monotonic() + self._seconds
            self._set_timer()

    def restore(self) -> None:
        """Nothing yet: ``leave`` undoes what the task did to signals, too."""

    def leave(self) -> None:
        """Give the signals back. Raises what those that were kept make the user's handlers raise.

        A task in which this one ran is interrupted here if its own time was up meanwhile.
        """
        if not self._before:
            return
        self.armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)  # without our handler it could end the process
        with self._lock:  # from here on nobody sends us a signal
            self._installed = False
        self._give_back(signal.SIGTERM)
        self._give_back(signal.SIGALRM)
        self._due = None
        self._set_timer()
        self._give_back(signal.SIGINT)  # last: Ctrl-C may strike from here on
        for number in self._kept:
            if callable(self._before[number]):
                signal.raise_signal(number)

    def _give_back(self, number: signal.Signals) -> None:
        handler = self._before[number]
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)

    # ── From any thread ────────────────────────────────────────────────────────────────────────

    def cancel(self) -> None:
        """Stop the task: now, if it can be interrupted."""
        self.cancelled = True
        main = threading.main_thread()
        with self._lock:
            if not self._installed or main.ident is None:
                return
            self._cancels += 1
            signal.pthread_kill(main.ident, signal.SIGINT)

    # ── Handlers ───────────────────────────────────────────────────────────────────────────────

    def _on_interrupt(self, _number: int, frame: FrameType | None) -> None:
        if self._cancels:
            self._cancels -= 1
            if self.armed:
                self._interrupt()
        else:
            self._ask_host(signal.SIGINT, frame)

    def _on_alarm(self, _number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        users = self._alarm is not None and now >= self._alarm
        if users:
            self._alarm = now + self._interval if self._interval else None
        overdue = self._due is not None and now >= self._due
        if overdue:
            self._due = None
        self._set_timer()
        if overdue and self.armed:
            self.overdue = True
            self._interrupt()
        if users or not overdue:
            self._ask_host(signal.SIGALRM, frame)

    def _ask_host(self, number: signal.Signals, frame: FrameType | None) -> None:
        """Do what the user has provided for; the user is told what that raises in the task."""
        if not self.armed:
            self._kept.add(number)
            return
        host: Callable[[int, FrameType | None], object] | int | None = self._before[number]
        if not callable(host):
            return
        try:
            host(number, frame)
        except BaseException as error:
            self.armed = False
            self.fired = True
            self.from_host = error
            raise

    # ── One timer for the task's limit and for the user's own alarm ────────────────────────────

    def _keep_timer(self) -> None:
        seconds, self._interval = signal.getitimer(signal.ITIMER_REAL)
        self._alarm = time.monotonic() + seconds if seconds else None

    def _set_timer(self) -> None:
        times = [at for at in (self._due, self._alarm) if at is not None]
        if times:
            left = max(min(times) - time.monotonic(), _SHORTEST_SECONDS)
            signal.setitimer(signal.ITIMER_REAL, left, self._interval if self._alarm else 0)
        else:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _interrupt(self) -> None:
        self.armed = False
        self.fired = True
        raise TaskInterrupt


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keeps Ctrl-C and alarms until the body is through, in the main thread."""
    interrupts = GuestInterrupts()
    interrupts.install()
    try:
        yield
    finally:
        interrupts.leave()
