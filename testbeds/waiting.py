"""Waiting for what a scheduler does in its own time."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(is_so: Callable[[], bool], seconds: float = 100) -> None:
    """Return as soon as something is so; fail when it is not in time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {seconds:g} s")
        time.sleep(0.05)
