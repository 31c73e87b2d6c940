"""Starts processes while no other thread forks: otherwise ``subprocess.Popen`` may hang.

Popen returns when its error pipe is closed by all who have it, which the new program's start does.
A child that another thread forks at that moment has the pipe, too, and keeps it until its own end.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_forking = threading.RLock()  # a signal's handler may fork, too


@contextmanager
def unforked() -> Iterator[None]:
    """Forks of other threads wait until this ends. Keep it around ``Popen`` alone.

    Launchers work on a thread of their own in the user's process, which may fork at any time.

    Example::

        >>> import subprocess, sys
        >>> from crew_core.plugins import unforked
        >>> with unforked():
        ...     child = subprocess.Popen([sys.executable, "-c", "exit(7)"])
        >>> child.wait()
        7
    """
    with _forking:
        yield


if hasattr(os, "register_at_fork"):
    # The forking thread holds the lock in both processes afterwards.
    os.register_at_fork(
        before=_forking.acquire,
        after_in_parent=_forking.release,
        after_in_child=_forking.release,
    )
