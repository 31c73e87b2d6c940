"""The most memory that a task used, in bytes, at next to no cost.

Linux keeps the peak of the resident set of a process (``VmHWM``), and starts it afresh when "5" is
written to ``clear_refs``. ``ru_maxrss`` would be easier to read, but a new process inherits its
parent's, and it cannot be started afresh. The peak can only rise by page faults; so as long as
there were next to none, which ``getrusage`` tells in under a microsecond, nothing is read. And in
no time there can be none: quick tasks in a row share one look.

Elsewhere the figure is ``ru_maxrss``: the peak of the whole life of the process.
"""

from __future__ import annotations

import os
import resource
import sys
from time import perf_counter

_RESET_ABOVE = 1 << 20  # a rise below this is not worth two system calls
_FEW_FAULTS = 4
_DIGITS = 20
_QUICK_SECONDS = 3e-5  # too short to touch as much as _RESET_ABOVE: each page takes a fault


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
        self.has_risen = False
        """True when the peak is so much above the usual that ``start_afresh`` is worth its time."""
        self._read_at = 0.0
        self.read()
        self.start_afresh()

    def after_task(self) -> int:
        """The peak since the last ``start_afresh``, in bytes, as far as there can be a new one."""
        now = perf_counter()
        if now - self._read_at > _QUICK_SECONDS:
            self._read_at = now
            return self.read()
        return self._peak

    def read(self) -> int:
        """The peak since the last ``start_afresh``, in bytes."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        faults = usage.ru_minflt + usage.ru_majflt
        if self._status is not None and faults - self._faults > _FEW_FAULTS:
            self._faults = faults
            peak = peak_in(os.pread(self._status, 4096, 0))
            if peak is None:
                self._status = self._clear = None
            else:
                self._peak = peak
                self.has_risen = peak - self._baseline >= _RESET_ABOVE
        if self._status is None:
            self._peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return self._peak

    def start_afresh(self) -> None:
        """A task that ``has_risen`` has ended: forget its peak."""
        self.has_risen = False
        if self._clear is None:
            return
        try:
            os.write(self._clear, b"5")
        except OSError:  # not allowed here: the figure is the process's peak then
            self._clear = None
            return
        self._faults = -_FEW_FAULTS - 1
        self._baseline = self.read()
        self.has_risen = False


def peak_in(status: bytes) -> int | None:
    """The peak that the kernel tells of, in bytes; None where it tells of none."""
    _, found, after = status.partition(b"\nVmHWM:")
    number, unit, _ = after.partition(b"kB")
    number = number.strip()
    told = found and unit and number.isdigit() and len(number) <= _DIGITS
    return int(number) * 1024 if told else None


def _open_or_none(path: str, mode: int) -> int | None:
    try:
        return os.open(path, mode | os.O_CLOEXEC)
    except OSError:
        return None
