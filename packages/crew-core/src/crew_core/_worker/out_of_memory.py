"""Tells whether the system ended a process because memory ran out: Linux counts that by cgroup.

A process that is ended so gets SIGKILL, as from anybody. But its cgroup, which is what batch
systems and containers limit memory with, counts such ends.
"""

from __future__ import annotations

CAUSE = "out_of_memory"
"""What a record says of such an end."""

_CGROUPS = "/sys/fs/cgroup"
_OWN = "/proc/self/cgroup"
_DIGITS = 20


class OutOfMemory:
    """Notices when a process of our cgroup was ended because memory ran out.

    Args:
        cgroups: where the system shows its cgroups.
        own: the file that names ours.
    """

    def __init__(self, cgroups: str = _CGROUPS, own: str = _OWN) -> None:
        self._cgroups = cgroups
        self._own = own
        self._count = self._read()

    def struck(self) -> bool:
        """True when that has happened since the last call, or since the start."""
        before, self._count = self._count, self._read()
        return self._count > before

    def _read(self) -> int:
        """How many were ended so far; 0 where nobody counts."""
        for path in counters(_text(self._own), self._cgroups):
            count = count_in(_text(path))
            if count is not None:
                return count
        return 0


def counters(own: str, cgroups: str) -> list[str]:
    """Files in which our cgroup may count, of both versions that there are.

    Args:
        own: what the system says of our cgroups.
        cgroups: where it shows all.
    """
    found = []
    for line in own.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        path = path.rstrip("/")
        if not controllers:
            found.append(f"{cgroups}{path}/memory.events")
        elif "memory" in controllers.split(","):
            # In a container the path may be that of the host; ours is on top then.
            found += [f"{cgroups}/memory{part}/memory.oom_control" for part in (path, "")]
    return found


def count_in(text: str) -> int | None:
    """How many a cgroup's counters say were ended; None where they say nothing of that."""
    for line in text.splitlines():
        name, _, number = line.partition(" ")
        told = number.isascii() and number.isdecimal() and len(number) <= _DIGITS
        if name == "oom_kill" and told:
            return int(number)
    return None


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except (OSError, ValueError):  # or no path at all
        return ""
