"""Runs the process of one sitting for a bounded time, and leaves none of its processes behind."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from benchmarks import family

_SECONDS_TO_LEAVE = 5.0
_BYTES_TO_SPARE = 2 << 30
_OUTPUT = "output.txt"


def run(
    command: Sequence[str], *, environment: Mapping[str, str], folder: Path, seconds: float
) -> str:
    """Run a command in a folder, in a session of its own.

    Whatever happens, a signal to this process included, all descendants of this process have ended
    when this returns or raises.

    Returns:
        Why it did not end well, or nothing.
    """
    with (folder / _OUTPUT).open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    why = ""
    try:
        why = _watch(process, seconds)
    finally:
        ended = process.poll() is not None
        if not ended:
            process.kill()
        family.end_descendants(_SECONDS_TO_LEAVE if ended else 0.0)
        process.wait()
        family.reap_orphans(process.pid)
    if not why and process.returncode:
        why = f"ended with exit code {process.returncode}: {_last_line(folder / _OUTPUT)}"
    return why


def printed(folder: Path) -> str:
    """What the command that was run in a folder has printed."""
    return (folder / _OUTPUT).read_text(encoding="utf-8", errors="replace")


def _watch(process: subprocess.Popen[bytes], seconds: float) -> str:
    end = time.monotonic() + seconds
    look = time.monotonic() + 1.0
    while process.poll() is None:
        now = time.monotonic()
        if now > end:
            return f"had not ended after {seconds:.0f} s"
        if psutil.virtual_memory().available < _BYTES_TO_SPARE:
            return "took nearly all of the machine's memory"
        if now > look:
            family.reap_orphans(process.pid)
            look = now + 1.0
        time.sleep(0.05)
    return ""


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else "it printed nothing"
