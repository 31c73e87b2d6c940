"""Steps of a launcher's ladder, as far as tasks need them. Pure.

``lives`` has an element for each step: how long a worker of it may live, in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence


def step_for(seconds: float, lives: Sequence[float]) -> int:
    """The first step whose workers live so long; the last one if none does."""
    fitting = (step for step, life in enumerate(lives) if seconds <= life)
    return next(fitting, len(lives) - 1)


def step_after(cause: str, step: int, lives: Sequence[float]) -> int:
    """The step whose workers have more of what this one's had too little of; the same if none."""
    if cause == "out_of_memory":
        return min(step + 1, len(lives) - 1)
    if cause == "wall_time":
        longer = (other for other in range(step + 1, len(lives)) if lives[other] > lives[step])
        return next(longer, step)
    return step
