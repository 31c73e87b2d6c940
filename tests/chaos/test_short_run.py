"""Each fault once, on real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(600)
def test_each_fault_once_breaks_no_promise_and_leaves_nothing() -> None:
    mounts = Path("/proc/mounts")
    before = mounts.read_text() if mounts.exists() else ""
    paths = filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
    command = ["-m", "chaos", "--once", "--minutes", "2.5", "--tasks", "6000", "--seed", "1"]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    sys.stdout.write(done.stdout)  # who was skipped, and why
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6000 tasks came back" in done.stdout
    name = next(word for word in done.stdout.split() if word.startswith("chaos-"))
    base = name.rpartition("-")[0]
    assert not Path("/tmp", base).exists()
    assert (mounts.read_text() if mounts.exists() else "") == before
    assert [p.pid for p in psutil.process_iter() if base in " ".join(command_of(p))] == []


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
