"""The most memory that a task used, in bytes, at next to no cost.

Linux keeps the peak of the resident set of a process (``VmHWM``), and starts it afresh when "5" is
written to ``clear_refs``. ``ru_maxrss`` would be easier to read, but a new process inherits its
parent's, and it cannot be started afresh. The peak can only rise by page faults; so as long as
there were next to none, which ``getrusage`` tells in under a microsecond, nothing is read.

Elsewhere the figure is ``ru_maxrss``: the peak of the whole life of the process.
"""

from __future__ import annotations

import os
import resource
import sys

_RESET_ABOVE = 1 << 20  # a rise below this is not worth two system calls
_FEW_FAULTS = 4


class PeakMemory:
    """The peak of this process's resident set, a task at a time.

    Args:
        own: False in a process that is not crew's: its count is left alone, and the figure is
            the peak of its whole life.
    """

    def __init__(self, *, own: bool = True) -> None:
        self._status = _open_or_none("/proc/self/status", os.O_RDONLY) if own else None
        self._clear = _open_or_none("/proc/self/clear_refs", os.O_WRONLY) if own else None
        self._faults = 0
        self._peak = 0
        self._baseline = 0
        self.read()
        self.start_afresh()

    def read(self) -> int:
        """The peak since the last ``start_afresh``, in bytes."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        if self._status is None:
            return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        faults = usage.ru_minflt + usage.ru_majflt
        if faults - self._faults > _FEW_FAULTS:
            self._faults = faults
            self._peak = _peak_in(os.pread(self._status, 4096, 0))
        return self._peak

    def start_afresh(self) -> None:
        """A task has ended: forget its peak if it was one."""
        if self._clear is None or self._peak - self._baseline < _RESET_ABOVE:
            return
        try:
            os.write(self._clear, b"5")
        except OSError:  # not allowed here: the figure is the process's peak then
            self._clear = None
            return
        self._faults = -_FEW_FAULTS - 1
        self._baseline = self.read()


def _peak_in(status: bytes) -> int:
    start = status.index(b"VmHWM:") + 6
    return int(status[start : status.index(b"kB", start)]) * 1024


def _open_or_none(path: str, mode: int) -> int | None:
    try:
        return os.open(path, mode | os.O_CLOEXEC)
    except OSError:
        return None
