"""How many workers a platform has room for, found out from what it takes and refuses. No clock."""

from __future__ import annotations

import math

FULL_SECONDS = 30.0
"""So long after one worker was refused as one too many, another is asked for."""


class Room:
    """Says how many may be launched at once.

    A platform that limits a user's jobs does not say how many more it would take. So half of what
    was refused is asked for, down to a single worker, and what is taken doubles it again.
    """

    def __init__(self) -> None:
        self._most = math.inf
        self._is_full = False
        self._full_until: float | None = None

    def most(self, now: float) -> float:
        """How many to launch at once; none while the platform is full."""
        if self._is_full:
            if self._full_until is None:
                self._full_until = now + FULL_SECONDS
            if now < self._full_until:
                return 0
            self._full_until = None
        return self._most

    def note_taken(self, count: int) -> None:
        """So many were launched."""
        self._is_full = False
        if count >= self._most:
            self._most *= 2

    def note_refused(self, count: int) -> bool:
        """So many were too many. True when the platform is full, and was not before."""
        was_full, self._is_full = self._is_full, count == 1
        self._full_until = None
        self._most = max(1, count // 2)
        return self._is_full and not was_full
