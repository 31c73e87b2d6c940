"""A fork of another thread waits while a process is started, and its child can start some, too."""

from __future__ import annotations

import os
import threading

import pytest

from crew_core._wire.spawning import unforked

SECONDS = 30

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")


def fork() -> int:
    """Fork a child that ends well if it can start processes from any of its threads."""
    pid = os.fork()
    if pid == 0:
        thread = threading.Thread(target=_start_something, daemon=True)
        thread.start()
        thread.join(SECONDS)
        os._exit(int(thread.is_alive()))
    return pid


def _start_something() -> None:
    with unforked():
        pass


def test_other_threads_fork_only_when_the_start_is_over() -> None:
    children: list[int] = []
    forked = threading.Event()

    def fork_meanwhile() -> None:
        children.append(fork())
        forked.set()

    thread = threading.Thread(target=fork_meanwhile)
    with unforked():
        thread.start()
        assert not forked.wait(0.2)
    assert forked.wait(SECONDS)
    thread.join()
    _, status = os.waitpid(children[0], 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_the_thread_that_starts_a_process_may_fork_itself() -> None:
    # As a signal's handler may do.
    with unforked():
        child = os.fork()
        if child == 0:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert os.waitstatus_to_exitcode(os.waitpid(fork(), 0)[1]) == 0
