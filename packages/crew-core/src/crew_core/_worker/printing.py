"""Moves what a task process prints to the worker's log, a piece at a time and without waiting."""

from __future__ import annotations

import os

from crew_core._wire.capped_log import CappedLog

_CHUNK = 1 << 18


def move_some(fd: int, log: CappedLog) -> bool:
    """Move what there is, up to a limit. False when nobody can print any more."""
    try:
        chunk = os.read(fd, _CHUNK)
    except OSError:  # there is nothing, just now
        return True
    if chunk:
        log.write(chunk)
    return bool(chunk)


def move_all(fd: int, log: CappedLog) -> None:
    """Move all that there is."""
    try:
        while chunk := os.read(fd, _CHUNK):
            log.write(chunk)
    except OSError:
        pass
