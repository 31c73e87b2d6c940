"""The warnings of one task: recorded for its record, and shown in the worker's log.

Warnings come here through ``warnings.showwarning``, after Python's own filters: what is ignored,
shown once or made an error is the user's choice. Not ``catch_warnings``: it would put the filters
back after each task, and that is for ``reset_options`` to decide.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TextIO

from crew_core._worker.texts import text_of

_MOST = 50


class TaskWarnings:
    """Records warnings from now on.

    Args:
        err: says where to show them.
    """

    def __init__(self, err: Callable[[], TextIO]) -> None:
        self._err = err
        self._messages: list[str] = []
        self._show = self._record  # one bound method, to compare with
        warnings.showwarning = self._show

    def take(self) -> str | None:
        """The text of the warnings since the last call, and a fresh start for the next task."""
        warnings.showwarning = self._show
        if not self._messages:
            return None
        text = ". ".join(self._messages[:_MOST])
        self._messages.clear()
        with warnings.catch_warnings():  # its end makes Python forget which were shown already
            pass
        from crew_core._model.record import clip  # it imports a lot, and warnings are rare

        return clip(text) or None

    def _record(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,  # noqa: ARG002  (the signature of warnings.showwarning)
    ) -> None:
        text = text_of(message) or category.__name__
        if len(self._messages) <= _MOST:
            self._messages.append(text)
        try:
            (file or self._err()).write(
                f"Warning: {text} ({category.__name__}, {filename}:{lineno})\n"
            )
        except (OSError, ValueError):  # the stream is closed: the record still has it
            return
