"""Turns amounts into what schedulers count in, rounded up: nobody gets less than asked for."""

from __future__ import annotations

import math

# 0.1 is not a tenth: without this, 3 * 0.1 would round up to more than it is.
_TINY = 1e-6

KIBI = 1024


def mebibytes(gibibytes: float) -> int:
    """GiB as whole MiB, at least 1."""
    return up(gibibytes * KIBI)


def kibibytes(gibibytes: float) -> int:
    """GiB as whole KiB, at least 1."""
    return up(gibibytes * KIBI**2)


def seconds(minutes: float) -> int:
    """Minutes as whole seconds, at least 1."""
    return up(minutes * 60)


def up(amount: float) -> int:
    """The whole number that is not below, and at least 1."""
    return max(1, math.ceil(amount - _TINY))


def clock(whole_seconds: int) -> str:
    """A duration as ``H:MM:SS``, with as many hours as it takes."""
    minutes, second = divmod(whole_seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02d}:{minute:02d}:{second:02d}"
