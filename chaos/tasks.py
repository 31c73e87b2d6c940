"""What the workload's tasks do: each leaves a line, so that what was done can be counted."""

from __future__ import annotations

import hashlib
import os
import time
from typing import Any

import numpy as np
import psutil

EFFECTS = "effects.log"

KINDS = ("print", "array", "object", "nap", "error")
"""The first tasks of each hundred; all others are quick."""

_descriptors: dict[str, int] = {}


def kind_of(number: int) -> str:
    """What the task of this number does."""
    place = number % 100
    return KINDS[place] if place < len(KINDS) else "quick"


def is_expected(number: int, status: str, result: Any) -> bool:
    """True when the task of this number must end so."""
    kind = kind_of(number)
    if kind == "error":
        return status == "error" and result is None
    if kind == "array":
        return status == "success" and bool((result == number + 1).all())
    return status == "success" and bool(result == number)


def work(number: int, run: int, folder: str, large: Any = None) -> Any:
    """Do it, and leave the line just before the end.

    Args:
        number: which task.
        run: how often it was pushed before.
        folder: where the line goes.
        large: an array that holds the number, or bytes that begin with it.
    """
    kind = kind_of(number)
    if kind == "print":
        print(f"task {number} " * 4096)
    elif kind == "array":
        assert int(np.asarray(large).max()) == int(np.asarray(large).min()) == number
    elif kind == "object":
        assert digest(large[0]) == large[1]
    elif kind == "nap":
        time.sleep(0.3)
    else:
        time.sleep(number * 7919 % 10 / 1000)
    leave_line(folder, number, run)
    if kind == "error":
        raise ValueError(number)
    return large + 1 if kind == "array" else number


def leave_line(folder: str, number: int, run: int) -> None:
    """Append what was done, where, and by whom, in one write."""
    if folder not in _descriptors:
        path = os.path.join(folder, EFFECTS)
        _descriptors[folder] = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    line = f"{number} {run} {os.environ['CREW_INSTANCE']} {os.getpid()}\n"
    os.write(_descriptors[folder], line.encode())


def digest(data: bytes) -> str:
    """A short name for bytes."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def take_memory(path: str, most: int) -> int:
    """Take memory, page by page, until there is no more or so much is taken; how much it was."""
    taken = []
    step = 1 << 24
    for size in range(step, most + 1, step):
        taken.append(b"\1" * step)
        with open(path, "w", encoding="ascii") as file:
            file.write(str(size))
    return len(taken) * step


def memory_held() -> int:
    """How many bytes of memory this process has."""
    return int(psutil.Process().memory_info().rss)
