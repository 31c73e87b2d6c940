"""A process that ends with its parent, in each way that a system may have for that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

SECONDS = 60

# Without the kernel's help, as where there is none. The loop holds the GIL, as user code does.
PROGRAM = """
import os, sys
from crew_core._worker import parent_death
if sys.argv[2] == "thread":
    parent_death._kernel_watches = lambda lifeline: False
parent_death.end_with_parent(int(sys.argv[1]))
if os.fork():
    print("begun", flush=True)
while True:
    pass
"""

WAYS = [
    pytest.param("kernel", marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux only")),
    "thread",
]


def start(lifeline: int, way: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(lifeline), way],
        pass_fds=[lifeline],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )


@pytest.mark.parametrize("way", WAYS)
def test_it_and_its_children_end_when_the_last_writer_of_its_lifeline_is_gone(way: str) -> None:
    lifeline, parent = os.pipe()
    with start(lifeline, way) as process:
        os.close(lifeline)
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        os.close(parent)
        assert process.wait(SECONDS) == -signal.SIGKILL
        assert process.stdout.read() == b""  # its end: the child is gone as well


@pytest.mark.parametrize("way", WAYS)
def test_it_ends_at_once_when_its_parent_was_gone_before_it_looked(way: str) -> None:
    lifeline, parent = os.pipe()
    os.close(parent)
    with start(lifeline, way) as process:
        os.close(lifeline)
        assert process.wait(SECONDS) == -signal.SIGKILL
