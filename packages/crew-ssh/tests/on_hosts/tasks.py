"""What workers of these tests are given to do. Texts, as hosts do not have this module."""

from __future__ import annotations

from pathlib import Path

WHERE = "__import__('os').environ['CREW_BED_HOST']"
"""The name of the host that it runs on."""

BRIEF = f"__import__('time').sleep(0.05) or {WHERE}"
"""The same, so late that all workers get some."""


SPAN = (
    "import os, time\n"
    "began = time.monotonic()\n"
    "time.sleep(0.05)\n"
    "(os.environ['CREW_BED_HOST'], os.getppid(), began, time.monotonic())"
)
"""Host and worker, and when it began and ended, by the clock that all have."""


def wait_for(path: Path) -> str:
    """Wait until a file is there."""
    wait = f"import os, time\nwhile not os.path.exists({str(path)!r}):\n    time.sleep(0.05)"
    return f"exec({wait!r})"


def meet(own: Path, other: Path) -> str:
    """Two tasks that wait for each other, by files on the disk that all share; the worker's pid."""
    return (
        "import os, time\n"
        f"open({str(own)!r}, 'w').close()\n"
        f"while not os.path.exists({str(other)!r}):\n"
        "    time.sleep(0.05)\n"
        "os.getppid()"
    )


def late(seconds: float, began: Path) -> str:
    """The same, after so many seconds; makes a file as it begins, on the disk that all share."""
    return f"open({str(began)!r}, 'w').close() or __import__('time').sleep({seconds}) or {WHERE}"
