"""How long this worker's job lasts, as far as its platform or its launcher says. Pure.

Whoever says so, the earliest end counts: a job may have been given less time than was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

LEAVE_SECONDS = 30.0
"""A worker takes nothing new when its job has no more than this left, or a tenth of its life."""

LAST_SECONDS = 5.0
"""What still runs when the job has no more than this left, or a fiftieth, is ended.

So its end is told in order, and its worker is gone before its platform ends both.
"""

_ENDS = ("CREW_JOB_END_TIME", "SLURM_JOB_END_TIME")
"""Variables that hold when the job ends, in seconds since 1970."""

_LENGTHS = ("PBS_WALLTIME",)
"""Variables that hold how many seconds the job has in all."""

_START = "CREW_JOB_START_TIME"
"""When the job began, in seconds since 1970, if its script says so; else that is now."""


class Lifetime:
    """When a worker has to leave, on its own clock.

    Args:
        seconds: until its job ends; infinity when it does not.
        now: the time.

    Attributes:
        leave_at: it takes nothing new from then on.
        end_at: what still runs is ended.
    """

    def __init__(self, seconds: float, now: float) -> None:
        self.leave_at = now + seconds - min(LEAVE_SECONDS, seconds / 10)
        self.end_at = now + seconds - min(LAST_SECONDS, seconds / 50)

    def seconds_left(self, now: float) -> float | None:
        """Until it leaves; None: it need not."""
        return None if self.leave_at == math.inf else max(0.0, self.leave_at - now)


def seconds_to_live(variables: Mapping[str, str], life: float | None, time_of_day: float) -> float:
    """How long the job goes on; infinity when nobody says.

    Args:
        variables: of the environment.
        life: how long the job may take in all, as its launcher knows.
        time_of_day: now, in seconds since 1970.
    """
    began = min(_number(variables.get(_START)) or time_of_day, time_of_day)
    ends = [_number(variables.get(name)) for name in _ENDS]
    lengths = [life, *(_number(variables.get(name)) for name in _LENGTHS)]
    found = [end - time_of_day for end in ends if end is not None]
    found += [began + length - time_of_day for length in lengths if length is not None]
    # A job whose time is over does not start: such a variable is wrong, or the node's clock.
    return min((seconds for seconds in found if seconds > 0), default=math.inf)


def _number(text: str | None) -> float | None:
    """A positive number; None for anything else, as a site may put anything there."""
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < math.inf else None
