"""Processes that tasks leave behind: adopted where the system lets us, ended with the worker."""

from __future__ import annotations

import contextlib
import os
import sys
import time

_SECONDS = 2.0
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies (Linux only).

    Elsewhere a process that left its process group and lost its parent escapes.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap(task_process: int) -> int | None:
    """Reap every child that has ended; the task process' status if it is among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == task_process:
            found = status


def end_all() -> None:
    """End every descendant that is left, for certain, and reap it."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return  # none is left
        if pid == 0:
            _kill_all()
            time.sleep(0.01)


def _kill_all() -> None:
    import psutil  # only now: most workers leave nothing behind

    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            process.kill()
