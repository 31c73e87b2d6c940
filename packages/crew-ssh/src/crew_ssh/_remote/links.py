"""Our own connections to a host, as the host sees them: so that a dead one can be ended.

After a cable was cut, sshd believes in the old connection for a long time, and holds its forwarded
port. It is a process of the user's own, and whoever comes anew may end it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from crew_ssh._remote.folders import Place
from crew_ssh._remote.processes import ancestors, birth_of, lives, name_of

_NAMES = ("sshd", "sshd-session", "dropbear")
_SECONDS = 5.0


def note_link(place: Place, token: str) -> None:
    """Write down which process serves this connection."""
    for pid in ancestors():
        if name_of(pid) in _NAMES:
            with open(place.link(token), "w", encoding="ascii") as file:
                file.write(f"{pid} {birth_of(pid)}")
            return


def forget_link(place: Place, token: str) -> None:
    """This connection is over."""
    with contextlib.suppress(OSError):
        os.unlink(place.link(token))


def end_link(place: Place, token: str) -> bool:
    """End what serves an earlier connection of ours; False when there is nothing, or it stays."""
    try:
        with open(place.link(token), encoding="ascii") as file:
            pid, birth = file.read().split()
    except (OSError, ValueError):
        return False
    forget_link(place, token)
    deadline = time.monotonic() + _SECONDS
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(OSError):
            if lives(int(pid), birth):
                os.kill(int(pid), number)
        while lives(int(pid), birth) and time.monotonic() < deadline:
            time.sleep(0.02)
    return not lives(int(pid), birth)
