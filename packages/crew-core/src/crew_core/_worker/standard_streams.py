"""Standard input, output and error: a task process has no input and two line-buffered pipes.

In the user's own process all three stay the user's.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from io import TextIOWrapper
from typing import Protocol, TextIO


class Streams(Protocol):
    """The three streams, as whoever evaluates tasks needs them."""

    @property
    def err(self) -> TextIO:
        """Where to write what a task's log is to hold, whatever a task made of ``sys.stderr``."""

    def restore(self) -> None:
        """Write out what is buffered, and undo what a task did to the three."""


class StandardStreams:
    """Sets up ``sys.stdin``, ``sys.stdout`` and ``sys.stderr``, and puts them back after a task."""

    def __init__(self) -> None:
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        self._in = open(0, closefd=False)  # noqa: SIM115  (open as long as the process)
        self._out = _open_output(1)
        self._err = _open_output(2)
        self._kept_out, self._kept_err = os.dup(1), os.dup(2)
        self._install()

    @property
    def err(self) -> TextIO:
        """Our standard error, whatever a task made of ``sys.stderr``."""
        return self._err

    def restore(self) -> None:
        """Write out what is buffered, and undo what a task did to the three."""
        try:
            self._out.flush()
            self._err.flush()
        except (OSError, ValueError):  # the task closed it, or the reader is gone
            self._reopen()
        # It may have closed or redirected the descriptors. A file that is opened next must not
        # become descriptor 1 and be printed into.
        os.dup2(self._kept_out, 1)
        os.dup2(self._kept_err, 2)
        try:
            if (
                sys.stdout is self._out
                and sys.stderr is self._err
                and sys.stdin is self._in
                and not self._in.closed
            ):
                return
        except AttributeError:  # the task deleted one
            pass
        self._install()

    def _reopen(self) -> None:
        if self._out.closed:
            self._out = _open_output(1)
        if self._err.closed:
            self._err = _open_output(2)

    def _install(self) -> None:
        if self._in.closed:
            self._in = open(0, closefd=False)  # noqa: SIM115
        sys.stdin = sys.__stdin__ = self._in  # type: ignore[misc]  # final in typeshed only
        sys.stdout = sys.__stdout__ = self._out  # type: ignore[misc]
        sys.stderr = sys.__stderr__ = self._err  # type: ignore[misc]


class HostStreams:
    """The streams of the user's process as they are now, to be put back after a task."""

    def __init__(self) -> None:
        self._before = (sys.stdin, sys.stdout, sys.stderr)
        # A program without a console has none.
        self._err: TextIO = sys.stderr or io.StringIO()

    @property
    def err(self) -> TextIO:
        """The user's standard error."""
        return self._err

    def restore(self) -> None:
        """Undo what a task did to the three names; the streams themselves are the user's."""
        sys.stdin, sys.stdout, sys.stderr = self._before
        for stream in self._before[1:]:
            with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or None
                stream.flush()


def _open_output(fd: int) -> TextIOWrapper:
    """UTF-8 and never an encoding error: a task must not fail because of what it prints."""
    return open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
