"""The directory of a controller's segments: made, and removed when nobody needs it.

It is in memory, below one that is the user's alone. Who needs it holds a lock on it.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from crew_core._model.errors import CrewError
from crew_core._model.names import token
from crew_core._wire.places import make_private, user
from crew_core._wire.segments.lock import Hold, remove_left_over
from crew_core._wire.segments.store import FREE

_MEMORY = Path("/dev/shm")
_NEW = "new-"
_NEW_SECONDS = 60.0


def make() -> tuple[Path, Hold] | None:
    """Make a directory for segments, and remove what is left over of others.

    Returns:
        The directory, held; None where there is no memory to be had as files.
    """
    base = _base()
    if not os.path.ismount(_MEMORY):
        return None
    try:
        make_private(base)
        sweep()
        # Nobody takes it for a left-over before it is held: its name is not that of one yet.
        new = base / f"{_NEW}{token(8)}"
        new.mkdir(mode=0o700)
        hold = Hold(new)
        (new / FREE).mkdir(mode=0o700)
        return new.rename(base / f"{os.getpid()}-{token(8)}"), hold
    except (OSError, CrewError):
        return None


def sweep() -> list[Path]:
    """Remove all of this user's directories that nobody holds; which these were."""
    base = _base()
    with contextlib.suppress(OSError):
        if base.lstat().st_uid == user():
            found = [path for path in base.iterdir() if not _is_being_made(path)]
            return [path for path in found if remove_left_over(path)]
    return []


def _base() -> Path:
    return _MEMORY / f"crew-{user()}"


def _is_being_made(path: Path) -> bool:
    return path.name.startswith(_NEW) and time.time() - path.lstat().st_mtime < _NEW_SECONDS
