"""Tells what a computer is short of for a while from what is wrong for good."""

from __future__ import annotations

import errno

_SHORT_OF = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC})


def is_shortage(error: BaseException) -> bool:
    """True when processes, memory, file descriptors or room on a disk are used up: it may pass."""
    return isinstance(error, OSError) and error.errno in _SHORT_OF
