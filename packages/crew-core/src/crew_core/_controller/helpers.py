"""Repeats a call until it succeeds, for launchers and scripts that wait for something outside."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TypeVar

from crew_core._model.checks import check_count, check_seconds

T = TypeVar("T")


def retry(
    function: Callable[[], T],
    *,
    seconds_interval: float = 0.25,
    seconds_timeout: float = 60,
    max_tries: float = math.inf,
) -> T:
    """Call a function until it returns something true; it is called at least once.

    Args:
        function: takes nothing. What it raises ends the repetition.
        seconds_interval: pause between two calls.
        seconds_timeout: when to give up. A call that has begun is not interrupted.
        max_tries: how many calls to make at most.

    Returns:
        What the function returned at last.

    Raises:
        TimeoutError: when the time or the tries are used up.

    Example::

        >>> answers = iter([False, False, "at last"])
        >>> crew.retry(lambda: next(answers), seconds_interval=0.01)
        'at last'
    """
    if not callable(function):
        raise TypeError(f"function={function!r}: must be callable")
    check_seconds("seconds_interval", seconds_interval, endless=False)
    check_seconds("seconds_timeout", seconds_timeout)
    check_count("max_tries", max_tries, least=1, endless=True)
    deadline = time.monotonic() + seconds_timeout
    tries = 0
    while tries < max_tries:
        value = function()
        tries += 1
        if value:
            return value
        left = deadline - time.monotonic()
        if left <= 0:
            break
        if tries < max_tries:
            time.sleep(min(seconds_interval, left))
    raise TimeoutError(
        f"{getattr(function, '__qualname__', repr(function))} returned nothing true in {tries} "
        f"tries (seconds_timeout={seconds_timeout:g}, max_tries={max_tries:g})"
    )
