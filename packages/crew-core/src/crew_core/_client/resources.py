"""Memory and state of the processes of one controller on this computer."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ["name", "pid", "status", "rss", "time"]


def resources(dispatcher_pid: int) -> pd.DataFrame:
    """A row per process: the client, its dispatcher and launch daemons, local workers, their tasks.

    ``rss`` is in bytes, ``time`` is when it was measured (UTC).
    """
    import pandas as pd  # a second or so, which a controller's start must not cost

    return pd.DataFrame(measure(dispatcher_pid), columns=COLUMNS)


def measure(dispatcher_pid: int) -> list[dict[str, Any]]:
    """The rows of ``resources``."""
    time = datetime.now(timezone.utc)
    rows = []
    for name, process in _processes(dispatcher_pid):
        with contextlib.suppress(psutil.Error), process.oneshot():
            rows.append(
                {
                    "name": name,
                    "pid": process.pid,
                    "status": process.status(),
                    "rss": process.memory_info().rss,
                    "time": time,
                }
            )
    return rows


def _processes(dispatcher_pid: int) -> Iterator[tuple[str, psutil.Process]]:
    client = psutil.Process(os.getpid())
    yield "client", client
    found = [(child, _command(child)) for child in client.children(recursive=True)]
    name = next(
        (_controller(command) for child, command in found if child.pid == dispatcher_pid), None
    )
    if name is None:
        return
    workers = set()
    for child, command in found:
        kind = "dispatcher" if child.pid == dispatcher_pid else _KINDS.get(_module(command) or "")
        # This process may have other controllers, too.
        if kind is not None and _controller(command) == name:
            yield kind, child
            workers.add(child.pid)
    for child, command in found:
        with contextlib.suppress(psutil.Error):
            if _module(command) == "crew_core._worker.task_process" and child.ppid() in workers:
                yield "task process", child


_KINDS = {"crew_core._launcher.daemon": "daemon", "crew_core._worker": "worker"}


def _command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


def _module(command: list[str]) -> str | None:
    return _after("-m", command)


def _controller(command: list[str]) -> str | None:
    return _after("--controller", command)


def _after(option: str, command: list[str]) -> str | None:
    with contextlib.suppress(ValueError, IndexError):
        return command[command.index(option) + 1]
    return None
