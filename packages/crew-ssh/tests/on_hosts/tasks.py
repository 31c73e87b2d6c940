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


def meet_all(folder: Path, count: int, name: str = WHERE) -> str:
    """Tasks that wait until they run at so many names, by files on the disk that all share.

    Args:
        folder: for these files alone.
        count: of names.
        name: where a task says that it is; its result, as text.
    """
    return (
        "import os, time\n"
        f"folder, name = {str(folder)!r}, str({name})\n"
        "os.makedirs(folder, exist_ok=True)\n"
        "open(os.path.join(folder, name), 'w').close()\n"
        f"while len(os.listdir(folder)) < {count}:\n"
        "    time.sleep(0.05)\n"
        "name"
    )


def late(seconds: float, began: Path) -> str:
    """Where it runs, so many seconds later; makes a file as it begins, where all can see it."""
    return f"open({str(began)!r}, 'w').close() or __import__('time').sleep({seconds}) or {WHERE}"
