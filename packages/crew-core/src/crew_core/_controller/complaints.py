"""What is done about tasks that did not succeed: raise, warn, or nothing."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Literal

from crew_core._controller.handle import task_error
from crew_core._model.errors import TaskError, TaskWarning
from crew_core._model.record import Record

OnError = Literal["stop", "warn", "silent"]
ON_ERROR: tuple[OnError, ...] = ("stop", "warn", "silent")


def complain(failed: Sequence[Record], error: OnError | None) -> None:
    """Raise or warn of tasks that did not succeed, as asked."""
    first = task_error(failed[0])
    if error == "stop":
        if len(failed) == 1:
            raise first
        message = (
            f"{len(failed)} tasks did not succeed (all are in controller.error); first: {first}"
        )
        raise TaskError(message, failed[0]) from failed[0].exception
    if error == "warn":
        text = f"{len(failed)} tasks did not succeed; first: {first}" if failed[1:] else str(first)
        warn(text)


def warn(text: str) -> None:
    """Give a TaskWarning that names the user's line, however many of crew's own lie between."""
    level = 1
    frame = sys._getframe()
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__")):
        frame = frame.f_back
        level += 1
    warnings.warn(TaskWarning(text), stacklevel=level)


def _is_ours(module: object) -> bool:
    return str(module).partition(".")[0] == __name__.partition(".")[0]
