"""What a task returned, unpickled for whoever wants nothing but that: no record is made."""

from __future__ import annotations

from typing import Any, Final

from crew_core._model.errors import SerializationError
from crew_core._model.states import Status
from crew_core._wire import messages, pickling

UNREAD: Final = object()
"""Stands for a value that was not unpickled, or that only the task's record tells."""

_SUCCESS = int(Status.SUCCESS)


def read_value(finished: messages.FinishedTask) -> Any:
    """The value of a task; UNREAD when it failed, gave warnings, is large, or cannot be unpickled.

    The record then tells, and counts it where such are counted. This runs code of the value's
    type, so it is called on the thread of whoever asks.
    """
    if finished.status != _SUCCESS:
        return UNREAD
    detail = messages.decode_detail(finished.detail)
    if detail.value is None or detail.warnings is not None or detail.beside is not None:
        return UNREAD
    try:
        return pickling.load(detail.value)
    except SerializationError:
        return UNREAD
