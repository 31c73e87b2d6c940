"""The functions that contenders run.

They are here and not where they are used because every worker imports this module by its name, and
must not pay for more.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_SECONDS_TO_MEET = 300.0  # so that nobody waits for a client that is gone


def noop(value: object = None) -> None:
    """Do nothing: all that is measured is what it costs to have it done."""


def echo(value: T) -> T:
    """Give back what came."""
    return value


def burn(seconds: float) -> None:
    """Keep a core busy for so much processor time, however often others get the core meanwhile."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def nap(seconds: float) -> float:
    """Take about so long, without a core; returns how long exactly."""
    began = time.perf_counter()
    time.sleep(seconds)
    return time.perf_counter() - began


def pick(index: int, array: Any) -> float:
    """Use a large input a little."""
    return float(array[index])


def meet(folder: str, index: int) -> int:
    """Say that a worker is here, and keep it until the client says go; returns the process id."""
    place = Path(folder)
    (place / str(index)).touch()
    end = time.monotonic() + _SECONDS_TO_MEET
    while not (place / "go").exists() and time.monotonic() < end:
        time.sleep(0.02)
    return os.getpid()
