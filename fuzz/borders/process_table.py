"""What this computer's process table says, to what crew knows of its own processes."""

from __future__ import annotations

import contextlib
import os

from crew_core._launcher import processes
from crew_core._launcher.local import started_at
from crew_core._worker.memory import peak_in


def check(data: bytes) -> None:
    """Anything may stand there: it tells something or nothing."""
    argv = [os.fsdecode(word) for word in data.split(b"\0")]
    processes._kind_of(argv)
    for flag in ("--client-pid", "--controller", "--instance", "--directory", "--url"):
        value = processes._option(argv, flag)
        processes._directory_of(value)
        pid = processes._pid(value or "")
        assert pid is None or pid >= 0
    with contextlib.suppress(ValueError):
        started_at(data, data, ticks=100)
    peak = peak_in(data)
    assert peak is None or peak >= 0
