"""A file descriptor that is kept for when the process has no other left."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator

_NONE_LEFT = (errno.EMFILE, errno.ENFILE)


def lacks_descriptors(error: OSError) -> bool:
    """True when a file could not be opened because too many are open."""
    return error.errno in _NONE_LEFT


class SpareDescriptor:
    """Holds one, so that there is a free one at need. For one thread."""

    def __init__(self) -> None:
        self._fd: int | None = None
        self._take()

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Have one more descriptor meanwhile."""
        self.close()
        try:
            yield
        finally:
            self._take()

    def close(self) -> None:
        """Let go of it."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def _take(self) -> None:
        with contextlib.suppress(OSError):
            self._fd = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
