"""Keeps what others do, as often as they please, from filling anybody's log."""

from __future__ import annotations

import time
from collections.abc import Callable

TOLD_ONE_BY_ONE = 20
"""How many are told, however soon one comes after the other."""

SECONDS_BETWEEN = 60.0
"""Of those that follow one is told now and then, at least so far apart."""


class Restraint:
    """Decides which of many events of one kind are told.

    Args:
        clock: monotonic.

    Attributes:
        count: how many there were.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.count = 0
        self._clock = clock
        self._told_at = float("-inf")

    def tells(self) -> bool:
        """Count one more. True when it is to be told."""
        self.count += 1
        now = self._clock()
        if self.count > TOLD_ONE_BY_ONE and now < self._told_at + SECONDS_BETWEEN:
            return False
        self._told_at = now
        return True
