"""The processes of one sitting: itself, its descendants, and those that lost their parents.

Contenders start processes in many ways, some of which cut the line of parents. Where the system
can, the runner adopts those, so that they are counted, and ended, as well.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping

import psutil

RUNNER = "BENCHMARKS_RUNNER"  # the variable that tells a sitting who adopts its orphans

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Make this process the parent of descendants that lose theirs, where the system can."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def members() -> Iterator[psutil.Process]:
    """This sitting's processes, itself first."""
    me = psutil.Process()
    yield me
    head = me
    with contextlib.suppress(psutil.Error):
        head = psutil.Process(int(os.environ.get(RUNNER, me.pid)))
    for process in head.children(recursive=True):
        if process.pid != me.pid:
            yield process


def processor_seconds() -> dict[int, float]:
    """Processor time of each process so far."""
    spent = {}
    for process in members():
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            spent[process.pid] = times.user + times.system
    return spent


def spent_since(before: Mapping[int, float]) -> float:
    """Processor time that all processes together took since `processor_seconds` said this."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in processor_seconds().items())


def resident_bytes() -> tuple[int, int]:
    """Memory of this process, and of all together."""
    found = []
    for process in members():
        with contextlib.suppress(psutil.Error):
            found.append(process.memory_info().rss)
    return found[0], sum(found)


def wait_until_alone(seconds: float) -> bool:
    """Wait until no process but this does or waits for work; False when that takes longer."""
    end = time.monotonic() + seconds
    while any(_is_alive(process) and not _lingers(process) for process in list(members())[1:]):
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def end_descendants(seconds: float) -> int:
    """Give this process's descendants so long to leave, then kill them; how many were killed."""
    left = _wait(psutil.Process().children(recursive=True), seconds)
    killed = 0
    # Again and again: one that is killed may just have started another.
    while left:
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGKILL)
        killed += len(left)
        _wait(left, 5.0)
        left = [p for p in psutil.Process().children(recursive=True) if _is_alive(p)]
    return killed


def reap_orphans(spare: int) -> None:
    """Let adopted processes that have ended go; not the one that `spare` names."""
    for child in psutil.Process().children():
        if child.pid != spare and not _is_alive(child):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child.pid, os.WNOHANG)


def _wait(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    end = time.monotonic() + seconds
    while left := [process for process in processes if _is_alive(process)]:
        if time.monotonic() > end:
            return left
        time.sleep(0.02)
    return []


def _lingers(process: psutil.Process) -> bool:
    """True for a helper of multiprocessing or of its like, which stays as long as its user."""
    with contextlib.suppress(psutil.Error):
        return any("resource_tracker" in word for word in process.cmdline())
    return False


def _is_alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False
