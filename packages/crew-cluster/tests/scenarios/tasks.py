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
        unfinished = folder.with_name(f"{folder.name}-{number}")
        unfinished.write_text(os.uname().nodename)
        unfinished.rename(folder / str(number))  # whoever sees the file can read it
        if number == 1:
            time.sleep(seconds)
        return number

    return busy_once


def make_need() -> Callable[[int], int]:
    """A task that needs so much memory for a moment, and says how often it was tried."""

    def need(mebibytes: int) -> int:
        import time

        kept = bytearray(mebibytes << 20)
        for _ in range(100):  # a scheduler that looks now and then must see it
            time.sleep(0.1)
            kept[0] += 1
        return len(kept) >> 20

    return need


def make_need_together() -> Callable[[int], int]:
    """A task two processes of which need so much memory, each of them half."""

    def need_together(mebibytes: int) -> int:
        import subprocess
        import sys
        import time

        text = f"kept = bytearray({mebibytes << 19}); print(flush=True); input()"
        argv = [sys.executable, "-c", text]
        halves = [
            subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)
        ]
        for half in halves:
            if half.stdout is not None:
                half.stdout.readline()
        time.sleep(8)  # a scheduler that looks now and then must see both
        for half in halves:
            half.communicate(b"\n")
        return sum(half.returncode for half in halves)

    return need_together


def make_meet() -> Callable[[Path, int, float], None]:
    """A task that goes on until so many hosts have one of its kind, for some seconds at most."""

    def meet(folder: Path, hosts: int, seconds: float) -> None:
        import os
        import time

        (folder / os.uname().nodename).touch()
        deadline = time.monotonic() + seconds
        while len(list(folder.iterdir())) < hosts and time.monotonic() < deadline:
            time.sleep(0.05)

    return meet


def make_wait_for() -> Callable[[Path, float], None]:
    """A task that goes on until a file is there, for some seconds at most."""

    def wait_for(file: Path, seconds: float) -> None:
        import time

        deadline = time.monotonic() + seconds
        while not file.exists() and time.monotonic() < deadline:
            time.sleep(0.05)

    return wait_for


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
