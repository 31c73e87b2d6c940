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
    for child in client.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            command = child.cmdline()
            if child.pid == dispatcher_pid:
                yield "dispatcher", child
            elif "crew_core._launcher.daemon" in command:
                yield "daemon", child
            elif "crew_core._worker" in command:
                yield "worker", child
            elif "crew_core._worker.task_process" in command:
                yield "task process", child
