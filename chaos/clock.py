"""A wrong clock for one process, by libfaketime; the machine's own clock is left alone."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil

SLEEPING = Path(__file__).parent / "sleeping"
"""A folder for $PYTHONPATH, so that Python can sleep under the library."""

_PLACES = (
    "/usr/lib/*/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
)


def library() -> str | None:
    """Where libfaketime is: ``$LIBFAKETIME``, or where packages put it."""
    given = os.environ.get("LIBFAKETIME")
    if given:
        return given
    found = [path for place in _PLACES for path in Path("/").glob(place.lstrip("/"))]
    return str(found[0]) if found else None


class Clock:
    """The clock of the processes that were started with its variables.

    Args:
        file: says how wrong it is; they read it every second.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set_right()

    def environment(self) -> dict[str, str]:
        """The variables; none without the library."""
        found = library()
        if found is None:
            return {}
        return {
            "LD_PRELOAD": found,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            # What is wrong on real computers is the date. Nobody's seconds are.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            # What it would share with others stays behind when a process is killed. Older ones
            # share it all the same, see ``sweep``.
            "FAKETIME_DISABLE_SHM": "1",
        }

    def set_wrong(self, seconds: int) -> None:
        """Let it jump by so much."""
        self._write(f"{seconds:+d}")

    def set_right(self) -> None:
        """Let it jump back."""
        self._write("+0")

    def _write(self, text: str) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{text}\n", encoding="ascii")
        new.replace(self._file)


def sweep() -> None:
    """Remove what the library has left of processes that were killed."""
    for path in Path("/dev/shm").glob("*faketime_s*_*"):
        pid = path.name.rpartition("_")[2]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            with contextlib.suppress(OSError):
                path.unlink()


VARIABLES = (
    "LD_PRELOAD",
    "FAKETIME_TIMESTAMP_FILE",
    "FAKETIME_CACHE_DURATION",
    "FAKETIME_DONT_FAKE_MONOTONIC",
    "DONT_FAKE_MONOTONIC",
    "NO_FAKE_STAT",
    "FAKETIME_DISABLE_SHM",
    "FAKETIME_SHARED",
)
"""What a process removes from its environment so that its children have the right time."""
