"""What happens over the network when somebody is gone for longer than a moment."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import crew_core as crew

Make = Callable[..., crew.Controller]

SECONDS = 60

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_workers_leave_within_half_a_minute_of_their_dispatchers_death(
    make: Make, tmp_path: Path, gate: Any, busy: bool
) -> None:
    controller = make(host="127.0.0.1", log_directory=tmp_path)
    worker = psutil.Process(controller.submit(os.getppid).result(SECONDS))
    if busy:
        controller.push(gate.hold)
        gate.wait_for(1)
    os.kill(controller.client.pid, signal.SIGKILL)
    assert worker.wait(SECONDS) in (4, None)  # its launcher may be first to see how it ended
    (log,) = tmp_path.glob("*.log")
    assert re.search(r"no dispatcher for 3\d s", log.read_text())


def test_a_dispatcher_that_was_frozen_gets_what_was_finished_meanwhile(
    make: Make, gate: Any
) -> None:
    controller = make(host="127.0.0.1")
    controller.push(gate.hold, (1,), name="finished while it was frozen")
    gate.wait_for(1)
    os.kill(controller.client.pid, signal.SIGSTOP)
    gate.open()
    # Longer than a worker believes in a silent connection; it hangs up and dials again.
    time.sleep(18)
    os.kill(controller.client.pid, signal.SIGCONT)
    assert controller.wait(seconds_timeout=SECONDS)
    record = controller.pop()
    assert record is not None
    assert (record.result, record.attempts) == (1, 1)
    assert controller.submit(sum, [1, 2]).result(SECONDS) == 3
