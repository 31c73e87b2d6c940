"""Children that a task forks: they must neither hold our pipes nor go on in our place."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

generation = 0
"""How many forks this process is away from the one that imported this: asks no system."""

_private: list[int] = []  # descriptors to close in a child; empty there, so closed only once


def keep_from_children(*fds: int) -> None:
    """Close these descriptors in every process that is forked, or started, from this one."""
    for fd in fds:
        os.set_inheritable(fd, False)
    _private.extend(fds)
    os.register_at_fork(after_in_child=_close_private)


def leave(error: BaseException | None = None) -> NoReturn:
    """End a forked child whose part of the task returned or raised, as a script's end would.

    It must not run the task process's own clean-up, threads or main loop.
    """
    code = _exit_code(error)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # closed, or not a stream at all
            continue
    os._exit(code)


def _exit_code(error: BaseException | None) -> int:
    if error is None:
        return 0
    if not isinstance(error, SystemExit):
        import traceback

        traceback.print_exception(error)
        return 1
    if error.code is None or isinstance(error.code, int):
        return (error.code or 0) & 0xFF
    sys.stderr.write(f"{error.code}\n")
    return 1


def _note_fork() -> None:
    global generation  # noqa: PLW0603
    generation += 1


os.register_at_fork(after_in_child=_note_fork)


def _close_private() -> None:
    for fd in _private:
        try:
            os.close(fd)
        except OSError:  # the task closed it already
            continue
    _private.clear()
