"""How long a launch waits for others, so that a burst of pushes becomes few submissions."""

from __future__ import annotations

import math
from collections.abc import Callable

QUIET_SECONDS = 0.005
"""A burst of pushes is over when nothing was pushed for this long."""


class Throttle:
    """Says when what is missing may be launched, and remembers when that was done last.

    Args:
        interval: the shortest time between two launches, in seconds, and the longest that one
            waits for more pushes.
        short_lived: workers leave after some tasks, so that others are needed all the time and
            only a platform that gathers has them wait.
        gathers: whether the platform likes few submissions so much that each launch waits for
            the whole interval.
    """

    def __init__(self, interval: float, short_lived: bool, gathers: Callable[[], bool]) -> None:
        self._interval = interval
        self._short_lived = short_lived
        self._gathers = gathers
        self._launched_at = -math.inf

    def note_launch(self, now: float) -> None:
        """Workers are launched now."""
        self._launched_at = now

    def closed_for(self, now: float) -> float:
        """Seconds until launches may follow the last one."""
        spacing = 0.0 if self._short_lived and not self._gathers() else self._interval
        return max(0.0, self._launched_at + spacing - now)

    def seconds_left(self, now: float, *, began: float, pushed: float, full: bool) -> float:
        """Seconds to wait for more.

        Args:
            now: the time, on the clock of all the others.
            began: when workers were first seen to be missing.
            pushed: when the last push was heard of.
            full: more tasks would not mean more workers.
        """
        if full:
            return self.closed_for(now)
        end = began + self._interval
        if not self._gathers():
            end = min(end, pushed + QUIET_SECONDS)
        return max(0.0, end - now, self.closed_for(now))


class Burst:
    """Pushes that come one soon after the other, and lead to one launch.

    Args:
        throttle: says how long to wait for more of them.
        now: the time, on the clock of all others.
    """

    def __init__(self, throttle: Throttle, now: float) -> None:
        self._throttle = throttle
        self._began = self._pushed = now

    def note_push(self, now: float) -> None:
        """One more was heard of."""
        self._pushed = now

    def seconds_left(self, now: float, *, full: bool) -> float:
        """Seconds to wait for more; ``full``: they would not mean more workers."""
        began, pushed = self._began, self._pushed
        return self._throttle.seconds_left(now, began=began, pushed=pushed, full=full)
