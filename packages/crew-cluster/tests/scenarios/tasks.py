"""Tasks for workers, which find them by value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def make_busy_once() -> Callable[[Path, float], int]:
    """A task that says that it runs, and takes very long the first time only."""

    def busy_once(folder: Path, seconds: float) -> int:
        import os
        import time

        number = len(list(folder.iterdir())) + 1
        (folder / str(number)).write_text(os.uname().nodename)
        if number == 1:
            time.sleep(seconds)
        return number

    return busy_once


def make_need() -> Callable[[int], int]:
    """A task that needs so much memory for a moment, and says how often it was tried."""

    def need(mebibytes: int) -> int:
        import time

        kept = bytearray(mebibytes << 20)
        for _ in range(40):  # a scheduler that looks now and then must see it
            time.sleep(0.1)
            kept[0] += 1
        return len(kept) >> 20

    return need


def make_need_together() -> Callable[[int], int]:
    """A task two processes of which need so much memory, each of them half."""

    def need_together(mebibytes: int) -> int:
        import subprocess
        import sys

        text = f"import time; kept = bytearray({mebibytes << 19}); time.sleep(4)"
        halves = [subprocess.Popen([sys.executable, "-c", text]) for _ in range(2)]
        return sum(half.wait() for half in halves)

    return need_together


def make_kill_worker_once() -> Callable[[Path], int]:
    """A task that kills its worker the first time."""

    def kill_worker_once(folder: Path) -> int:
        import os
        import signal

        number = len(list(folder.iterdir())) + 1
        (folder / str(number)).touch()
        if number == 1:
            os.kill(os.getppid(), signal.SIGKILL)
        return number

    return kill_worker_once
