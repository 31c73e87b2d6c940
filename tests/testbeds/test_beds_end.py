"""A testbed ends with whoever brought it up, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from testbeds import keeper
from testbeds.processes import Processes
from testbeds.waiting import until

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="testbeds run on Linux")

ESCAPES = "setsid sh -c 'echo $$ > {file}; exec sleep 600' & exec sleep 600"


def escaped(file: Path) -> int:
    until(lambda: file.exists() and file.read_text().endswith("\n"))
    return int(file.read_text())


def test_the_end_reaches_who_left_their_session(tmp_path: Path) -> None:
    held = Processes(tmp_path / "bed")
    held.hold()
    held.start("one", ["sh", "-c", ESCAPES.format(file=tmp_path / "pid")])
    pid = escaped(tmp_path / "pid")
    assert keeper.started(pid)
    held.end()
    assert keeper.started(pid) is None
    assert not (tmp_path / "bed").exists()


def test_what_is_no_process_is_undone_too(tmp_path: Path) -> None:
    held = Processes(tmp_path / "bed")
    held.hold()
    held.afterwards("touch", str(tmp_path / "undone"))
    held.end()
    assert (tmp_path / "undone").exists()


def test_all_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from testbeds.processes import Processes\n"
        f"held = Processes(Path({str(tmp_path / 'bed')!r})); held.hold()\n"
        f"held.start('one', ['sh', '-c', {ESCAPES.format(file=tmp_path / 'pid')!r}])\n"
        "sys.stdin.read()"
    )
    owner = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE)
    try:
        pid = escaped(tmp_path / "pid")
    finally:
        owner.kill()
        owner.communicate()
    until(lambda: keeper.started(pid) is None)
    until(lambda: not (tmp_path / "bed").exists())


def test_what_a_killed_keeper_left_is_ended(tmp_path: Path) -> None:
    held = Processes(tmp_path / "bed")
    held.hold()
    pid = held.start("one", ["sleep", "600"])
    os.kill(int(held.ask(do="list")["keeper"]), signal.SIGKILL)
    until(lambda: not held.are_held)
    Processes(tmp_path / "bed").end()
    assert keeper.started(pid) is None
    assert not (tmp_path / "bed").exists()
    held.end()


def test_a_process_that_ignores_signals_is_stopped(tmp_path: Path) -> None:
    held = Processes(tmp_path / "bed")
    held.hold()
    held.start("one", ["sh", "-c", f"trap '' TERM; touch {tmp_path}/ready; sleep 600; sleep 600"])
    until((tmp_path / "ready").exists)
    held.stop("one", seconds=0.5)
    assert not held.is_alive("one")
    held.end()


def test_what_is_to_stay_outlives_its_owner(tmp_path: Path) -> None:
    place = tmp_path / "bed"
    script = (
        "from pathlib import Path; from testbeds.processes import Processes\n"
        f"held = Processes(Path({str(place)!r})); held.hold()\n"
        "print(held.start('one', ['sleep', '600'])); held.stay()"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert Processes(place).alive() == {"one": int(told.stdout)}
    Processes(place).end()
    assert keeper.started(int(told.stdout)) is None
