"""The directory of a controller's segments: made, held by those who need it, removed.

It is in memory, below one that is the user's alone. Who needs it holds a lock on it, which the
kernel takes away when the process ends, however it ends: a directory that nobody holds is left
over, and whoever comes by may remove it. That needs no process ids, which may be used again, or
mean something else in another container that shares the memory.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from pathlib import Path

from crew_core._model.errors import CrewError
from crew_core._wire.places import make_private, user
from crew_core._wire.segments.store import FREE

_MEMORY = Path("/dev/shm")
_NEW = "new-"
_NEW_SECONDS = 60.0


class Hold:
    """Keeps a directory from being left over, until ``release`` or the end of this process."""

    def __init__(self, directory: str | Path) -> None:
        self._fd: int | None = _open(directory)
        try:
            _lock(self._fd, shared=True)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let go. Does nothing the second time."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


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
        new = base / f"{_NEW}{secrets.token_hex(8)}"
        new.mkdir(mode=0o700)
        hold = Hold(new)
        (new / FREE).mkdir(mode=0o700)
        return new.rename(base / f"{os.getpid()}-{secrets.token_hex(8)}"), hold
    except (OSError, CrewError):
        return None


def remove(directory: str | Path) -> None:
    """Remove a directory, although somebody may still be making files in it."""
    for _ in range(3):
        shutil.rmtree(directory, ignore_errors=True)
        if not os.path.exists(directory):
            return


def remove_left_over(directory: str | Path) -> bool:
    """Remove a directory that nobody holds. True when that was so."""
    try:
        fd = _open(directory)
    except OSError:
        return False
    try:
        _lock(fd, shared=False)
        remove(directory)
    except OSError:  # held
        return False
    finally:
        os.close(fd)
    return True


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


def _open(directory: str | Path) -> int:
    return os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _lock(fd: int, *, shared: bool) -> None:
    import fcntl  # not everywhere, but wherever there is such a directory

    fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
