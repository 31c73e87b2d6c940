"""Checks that a sitting is bounded in time and leaves no process behind, whatever it does."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from benchmarks import family, processes

# Starts a process that leaves its session and loses its parent, says its id, and hangs.
HIDES_ONE = """
import subprocess, sys, time
code = 'import os, time; open("hidden", "w").write(str(os.getpid())); time.sleep(600)'
middle = (
    "import subprocess, sys;"
    "subprocess.Popen([sys.executable, '-c', sys.argv[1]], start_new_session=True)"
)
subprocess.run([sys.executable, "-c", middle, code])
import pathlib
while not pathlib.Path("hidden").exists() or not pathlib.Path("hidden").read_text():
    time.sleep(0.01)
pathlib.Path("ready").touch()
time.sleep(600)
"""


class TimeIsUpWhenReady:
    """In the place of the module ``time``: no time goes by until the process says it is ready."""

    def __init__(self, folder: Path) -> None:
        self._ready = folder / "ready"

    def monotonic(self) -> float:
        return math.inf if self._ready.exists() else 0.0

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@pytest.fixture(autouse=True)
def adopted(monkeypatch: pytest.MonkeyPatch) -> None:
    family.adopt_orphans()
    # What others take of this machine's memory is none of these tests' business.
    monkeypatch.setattr(processes, "_BYTES_TO_SPARE", 0)


def run(folder: Path, code: str, seconds: float = 60.0) -> str:
    command = [sys.executable, "-c", code]
    return processes.run(command, environment=dict(os.environ), folder=folder, seconds=seconds)


def hidden_is_gone(folder: Path) -> bool:
    try:
        process = psutil.Process(int((folder / "hidden").read_text()))
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_what_ends_well_gives_no_reason(tmp_path: Path) -> None:
    assert run(tmp_path, "print('hello')") == ""
    assert processes.printed(tmp_path) == "hello\n"


def test_a_failure_is_told_with_the_last_line(tmp_path: Path) -> None:
    assert run(tmp_path, "raise SystemExit('no luck')") == "ended with exit code 1: no luck"


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    assert "had not ended" in run(tmp_path, "import time; time.sleep(600)", seconds=0.5)


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are found on Linux only")
def test_a_process_that_hid_itself_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "time", TimeIsUpWhenReady(tmp_path))
    assert "had not ended" in run(tmp_path, HIDES_ONE, seconds=5.0)
    assert hidden_is_gone(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are found on Linux only")
def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupt() -> None:
        while not (tmp_path / "ready").exists():
            threading.Event().wait(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, HIDES_ONE)
    thread.join()
    assert hidden_is_gone(tmp_path)
