"""Whether a process takes more and more memory."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

_SHARE = 0.15
_BYTES = 24 << 20
_LEAST = 12  # samples


def growth(samples: Sequence[int]) -> tuple[int, int] | None:
    """The median of the second quarter of the samples, and that of the last.

    The first quarter is left out: whatever is kept for a while has not filled yet. None when
    there are too few samples.
    """
    quarter = len(samples) // 4
    if len(samples) < _LEAST:
        return None
    early = statistics.median(samples[quarter : 2 * quarter])
    return int(early), int(statistics.median(samples[-quarter:]))


def is_flat(samples: Sequence[int]) -> bool:
    """True unless it grew by more than chance explains."""
    found = growth(samples)
    if found is None:
        return True
    early, late = found
    return late - early <= max(_SHARE * early, _BYTES)
