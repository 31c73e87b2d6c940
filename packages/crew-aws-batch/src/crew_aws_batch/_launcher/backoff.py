"""How long to wait before AWS is asked again that was asked too often. Pure but for chance."""

from __future__ import annotations

import random
from collections.abc import Iterator


def pauses(first: float, most: float, total: float) -> Iterator[float]:
    """Ever longer pauses in seconds, each by chance half to all of its length.

    Controllers that were refused together do not come back together.

    Args:
        first: the first at most.
        most: each at most.
        total: all together at most.
    """
    length = first
    while total > 0:
        pause = min(length * random.uniform(0.5, 1.0), total)
        yield pause
        total -= pause
        length = min(most, length * 2)
