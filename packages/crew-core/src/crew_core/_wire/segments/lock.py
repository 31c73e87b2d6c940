"""The lock on a directory of segments, which tells whether anybody needs it.

The kernel takes it away when the process ends, however it ends: a directory that nobody holds is
left over, and whoever comes by may remove it. That needs no process ids, which may be used again,
or mean something else in another container that shares the memory.
"""

from __future__ import annotations

import os
import time

DYING_SECONDS = 2.0
"""How long to wait for the hold of a process that is being killed.

It loses one descriptor after the other: connections may have ended a while before the hold does.
"""

_POLL_SECONDS = 0.01


class Hold:
    """Keeps a directory from being left over, until ``release`` or the end of this process.

    Args:
        directory: the directory.
        alone: fail if anybody else holds it.

    Raises:
        OSError: somebody holds it alone, or anybody at all if this is to; or it is gone.
    """

    def __init__(self, directory: str | os.PathLike[str], *, alone: bool = False) -> None:
        self._fd: int | None = os.open(
            directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        )
        try:
            import fcntl  # not everywhere, but wherever there is such a directory

            how = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
            fcntl.flock(self._fd, how | fcntl.LOCK_NB)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let go. Does nothing the second time."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def remove_left_over(directory: str | os.PathLike[str], seconds: float = 0.0) -> bool:
    """Remove a directory that nobody holds. True when that was so.

    Args:
        directory: the directory.
        seconds: wait so long for those who hold it to let go, if they are about to.
    """
    deadline = time.monotonic() + seconds
    while (hold := _hold_alone(directory)) is None:
        if time.monotonic() >= deadline or not os.path.exists(directory):
            return False
        time.sleep(_POLL_SECONDS)
    try:
        remove(directory)
    finally:
        hold.release()
    return True


def _hold_alone(directory: str | os.PathLike[str]) -> Hold | None:
    try:
        return Hold(directory, alone=True)
    except OSError:
        return None


def remove(directory: str | os.PathLike[str]) -> None:
    """Remove a directory, although somebody may still be making files in it."""
    import shutil  # here, as dispatchers and workers start sooner without

    for _ in range(3):
        shutil.rmtree(directory, ignore_errors=True)
        if not os.path.exists(directory):
            return
