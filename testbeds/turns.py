"""Turns of tests that would disturb each other, in whatever test runs of this user there are.

Who cleans up ends what dead sessions have left, and with it what another test has left on purpose.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FOLDER = Path(tempfile.gettempdir())  # now: a test may have a folder of its own for a while


@contextmanager
def leaving_orphans() -> Iterator[None]:
    """Nobody cleans up meanwhile."""
    with _turn(fcntl.LOCK_SH):
        yield


@contextmanager
def cleaning_up() -> Iterator[None]:
    """Nobody else cleans up, and nobody leaves orphans that are still needed."""
    with _turn(fcntl.LOCK_EX):
        yield


@contextmanager
def _turn(kind: int) -> Iterator[None]:
    with _file("door").open("w") as door, _file("lock").open("w") as lock:
        # Who waits keeps the door shut: else those who share would never let anybody else in.
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(lock, kind)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield


def _file(name: str) -> Path:
    return _FOLDER / f"crew-tests-{os.getuid()}.{name}"
