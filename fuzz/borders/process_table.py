"""What this computer says of its processes, to what crew knows of its own."""

from __future__ import annotations

import contextlib
import os

from crew_core._launcher import processes
from crew_core._launcher.local import started_at
from crew_core._worker.memory import peak_in
from crew_core._worker.out_of_memory import count_in, counters


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
    text = data.decode("utf-8", "replace")
    count = count_in(text)
    assert count is None or count >= 0
    assert all(path.startswith("/cgroups") for path in counters(text, "/cgroups"))
