"""Signals that a supervisor heeds: they wake its selector, and it asks later which came."""

from __future__ import annotations

import os
import select
import signal
import socket

_GO = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGUSR2})
"""What platforms send to the processes of a job that they are about to end."""

_TOGETHER_SECONDS = 0.1  # one after the other, ours perhaps last


class Signals:
    """Catches them from now on, for the whole process. In the main thread only."""

    def __init__(self) -> None:
        # A socket pair: unlike a pipe's, its wake-ups are never lost when many come at once.
        self._out, self._into = socket.socketpair()
        self._out.setblocking(False)
        self._into.setblocking(False)
        signal.set_wakeup_fd(self._into.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, *_GO):
            signal.signal(number, lambda *_: None)

    def fileno(self) -> int:
        """Readable when some have come."""
        return self._out.fileno()

    def take(self) -> bytes:
        """The numbers of those that came."""
        return os.read(self._out.fileno(), 64)

    def take_late(self) -> bytes:
        """Those that come in a moment: who ends a job signals its processes one by one."""
        poll = select.poll()
        poll.register(self._out.fileno(), select.POLLIN)
        return self.take() if poll.poll(_TOGETHER_SECONDS * 1000) else b""

    def release(self) -> None:
        """Wake nobody any more."""
        signal.set_wakeup_fd(-1)


def ask_for_end(numbers: bytes) -> bool:
    """True when one of these asks for our end."""
    return not _GO.isdisjoint(numbers)


def ended_by_such(status: int) -> bool:
    """True for a status as ``waitpid`` gives it, of a process that such a signal ended."""
    return -os.waitstatus_to_exitcode(status) in _GO
