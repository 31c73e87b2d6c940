"""Tells whether the system ended a process because memory ran out: Linux counts that by cgroup.

A process that is ended so gets SIGKILL, as from anybody. But its cgroup, which is what batch
systems and containers limit memory with, counts such ends.
"""

from __future__ import annotations

CAUSE = "out_of_memory"
"""What a record says of such an end."""

_CGROUPS = "/sys/fs/cgroup"
_OWN = "/proc/self/cgroup"


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
        for path in self._counters():
            text = _text(path)
            for line in text.splitlines():
                name, _, number = line.partition(" ")
                if name == "oom_kill" and number.isdecimal():
                    return int(number)
        return 0

    def _counters(self) -> list[str]:
        """Files in which our cgroup may count, of both versions that there are."""
        found = []
        for line in _text(self._own).splitlines():
            _, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            path = path.rstrip("/")
            if not controllers:
                found.append(f"{self._cgroups}{path}/memory.events")
            elif "memory" in controllers.split(","):
                # In a container the path may be that of the host; ours is on top then.
                found += [f"{self._cgroups}/memory{part}/memory.oom_control" for part in (path, "")]
        return found


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
