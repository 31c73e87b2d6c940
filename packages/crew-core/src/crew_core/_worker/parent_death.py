"""The certain end of a task process whose supervisor died: what differs by system is here.

The lifeline is a pipe that nobody writes to and whose only writer is the supervisor: its end is the
supervisor's death, however it died.

On Linux the kernel itself acts on it. It sends the owner of a descriptor a signal when something
happens to it (``O_ASYNC``), the owner may be a process group, and the signal may be SIGKILL. That
needs no thread (a process with threads is warned when it forks, from Python 3.12 on) and no GIL
(which user code may hold for hours). ``PR_SET_PDEATHSIG`` is there for programs that close all
descriptors they do not know. Elsewhere a thread waits for the end of the lifeline.
"""

from __future__ import annotations

import _thread
import fcntl
import os
import select
import signal
import sys


def end_with_parent(lifeline: int) -> None:
    """From now on, end this process and its group when the lifeline's writer is gone.

    Args:
        lifeline: the reading end. It stays open in forked children: they are to end, too.
    """
    if not (sys.platform == "linux" and _kernel_watches(lifeline)):
        _thread.start_new_thread(_watch, (lifeline,))
    elif _has_ended(lifeline):  # it ended before the kernel watched
        _end_group()


if sys.platform == "linux":
    _PR_SET_PDEATHSIG = 1

    def _kernel_watches(lifeline: int) -> bool:
        _die_with_parent()
        try:
            fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
            fcntl.fcntl(lifeline, _F_SETSIG, signal.SIGKILL)
            flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
            fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC)
            return fcntl.fcntl(lifeline, _F_GETSIG) == signal.SIGKILL
        except OSError:  # an emulated Linux
            return False

    _F_SETSIG = 10  # not in the fcntl module
    _F_GETSIG = 11

    def _die_with_parent() -> None:
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

else:

    def _kernel_watches(lifeline: int) -> bool:
        raise NotImplementedError


def _has_ended(lifeline: int) -> bool:
    poll = select.poll()
    poll.register(lifeline, select.POLLIN)
    return bool(poll.poll(0))


def _watch(lifeline: int) -> None:
    os.read(lifeline, 1)
    _end_group()


def _end_group() -> None:
    os.killpg(os.getpgrp(), signal.SIGKILL)
