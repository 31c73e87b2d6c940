"""How long to wait between looks at a store: short at first, then longer."""

from __future__ import annotations

import time
from collections.abc import Iterator

_FIRST_SECONDS = 0.001
_LONGEST_SECONDS = 0.1


def pauses(seconds: float | None) -> Iterator[None]:
    """Come back once at once, then after each pause, until so many seconds have passed.

    Args:
        seconds: None: for ever.
    """
    end = float("inf") if seconds is None else time.monotonic() + seconds
    pause = _FIRST_SECONDS
    while True:
        yield
        left = end - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, _LONGEST_SECONDS)
