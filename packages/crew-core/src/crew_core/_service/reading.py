"""One at a time reads from connections in this process: they all read into one buffer."""

from __future__ import annotations

import os
import threading

reading = threading.Lock()
"""Held for as long as a read takes, which never waits."""

if hasattr(os, "register_at_fork"):
    # A child must not find it held by a thread that it does not have.
    os.register_at_fork(
        before=reading.acquire,
        after_in_parent=reading.release,
        after_in_child=reading.release,
    )
