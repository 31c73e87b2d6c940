"""A group of processes that may take so much memory together: a cgroup of Linux, either version."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


class MemoryGroup:
    """A cgroup below our own, or below the nearest above us that may limit memory.

    Args:
        limit: in bytes.

    Raises:
        OSError: none can be made here.
    """

    def __init__(self, limit: int) -> None:
        self._path = _make()
        try:
            for name in ("memory.max", "memory.limit_in_bytes"):
                if (self._path / name).exists():
                    (self._path / name).write_text(str(limit), encoding="ascii")
            for name in ("memory.swap.max", "memory.swappiness"):
                with contextlib.suppress(OSError):
                    if (self._path / name).exists():
                        (self._path / name).write_text("0", encoding="ascii")
        except OSError:
            self.close()
            raise

    def enter(self) -> list[str]:
        """The prefix of a command that is to run in it."""
        script = 'echo $$ > "$0" && exec "$@"'
        return ["sh", "-c", script, str(self._path / "cgroup.procs")]

    def close(self) -> None:
        """Remove it. Its processes must have ended."""
        deadline = time.monotonic() + 60
        while True:
            try:
                self._path.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return


def lacks() -> str | None:
    """What is missing for such groups; None when nothing is."""
    try:
        MemoryGroup(1 << 30).close()
    except OSError as error:
        return f"a memory cgroup to write to ({error})"
    return None


def _make() -> Path:
    refusal: OSError = FileNotFoundError("there are no cgroups")
    for parent in _parents():
        path = parent / f"crew-chaos-{os.getpid()}"
        try:
            path.mkdir()
        except OSError as error:
            refusal = error
            continue
        if any((path / name).exists() for name in ("memory.max", "memory.limit_in_bytes")):
            return path
        path.rmdir()
    raise refusal


def _parents() -> Iterator[Path]:
    """Where a group for memory may be made, the nearest first."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
            _, controllers, path = line.split(":", 2)
            if "memory" in controllers.split(","):
                yield _ROOT / "memory" / path.lstrip("/")  # it may lie in any other
            elif not controllers:
                own = _ROOT / path.lstrip("/")
                # In version 2 a group with processes of its own has no groups with limits.
                yield from (one for one in (own, *own.parents) if _ROOT in (one, *one.parents))
