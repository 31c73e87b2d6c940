"""When to look at a platform again: soon after something changed, and then ever later. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Pace:
    """How often to look at a platform's jobs.

    Attributes:
        first: seconds to the first look after a launch, and the least between two.
        most: seconds between two looks at most.
        growth: each look is so many times later than the one before, while nothing changes.

    Example::

        >>> from crew_core.plugins import Pace
        >>> Pace().up_to(1.0)
        Pace(first=1.0, most=1.0, growth=1.5)
    """

    first: float = 2.0
    most: float = 30.0
    growth: float = 1.5

    def up_to(self, most: float) -> Pace:
        """The same, with so many seconds between two looks at most."""
        return replace(self, first=min(self.first, most), most=most)


class Looks:
    """Says when to look at a platform again.

    crew calls ``poll`` more often than platforms like to be asked: a launcher answers from memory
    until a look is due. Times are seconds of a monotonic clock, which the caller reads.

    Args:
        pace: how often to look.

    Example::

        >>> from crew_core.plugins import Looks, Pace
        >>> looks = Looks(Pace(first=2.0, most=30.0, growth=1.5))
        >>> looks.launched(100.0)
        >>> looks.is_due(101.0), looks.is_due(102.0)
        (False, True)
        >>> looks.done(102.0, changed=False)  # the next is due in 2 s, then in 3, ...
        >>> looks.is_due(103.0), looks.is_due(104.0)
        (False, True)
        >>> looks.done(104.0, changed=False)
        >>> looks.wanted(105.0)  # somebody who has not asked for some time
        >>> looks.is_due(106.0)  # but never sooner than 2 s after the last
        True
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._interval = pace.first
        self._done_at = float("-inf")
        self._due_at = float("inf")

    def launched(self, now: float) -> None:
        """There are new jobs: they are given a moment to start before the first look."""
        self._hurry(now + self._pace.first)

    def wanted(self, now: float) -> None:
        """Somebody asks, for the first time in a while: there is a reason to look soon."""
        self._hurry(max(now, self._done_at + self._pace.first))

    def is_due(self, now: float) -> bool:
        """True when it is time to look."""
        return now >= self._due_at

    def done(self, now: float, *, changed: bool) -> None:
        """A look is over.

        Args:
            now: when.
            changed: it showed something new.
        """
        if changed:
            self._interval = self._pace.first
        self._done_at, self._due_at = now, now + self._interval
        self._interval = min(self._pace.most, self._interval * self._pace.growth)

    def _hurry(self, at: float) -> None:
        self._interval = self._pace.first
        self._due_at = min(self._due_at, at)
