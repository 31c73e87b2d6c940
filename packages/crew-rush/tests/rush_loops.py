"""Loops that several test files run, and how they look at the workers that run them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import psutil

import crew_rush

Loop = Callable[..., Any]
SECONDS = 60.0


def until(condition: Callable[[], object]) -> None:
    """Wait until something is so; fail when it does not come about."""
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    """Whether a process has not ended; who adopts orphans may be late to take note."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill_store(store: crew_rush.EmbeddedStore) -> None:
    """Kill the process of a store that is kept on disk; return when the next one has its place.

    The next one answers before its maker has taken note of it, and has the dead one's number still.
    """
    dead = store.pid
    os.kill(dead, signal.SIGKILL)
    until(lambda: store.pid != dead)


def square_loop() -> Loop:
    """Inside a function: a loop is then sent whole."""

    def loop(rush: crew_rush.RushWorker) -> None:
        while not rush.terminated:
            task = rush.pop_task(timeout=0.1)
            if task is not None:
                rush.finish_tasks([task.key], [{"y": task.xs["x"] ** 2}])

    return loop


def stuck_loop() -> Loop:
    """Begins a task and never ends it."""

    def loop(rush: crew_rush.RushWorker) -> None:
        rush.push_running_tasks([{"x": 1}])
        time.sleep(600)

    return loop


def pid_of(rush: crew_rush.Rush, worker_id: str) -> int:
    table = rush.worker_info
    return int(table[table["worker_id"] == worker_id]["pid"].iloc[0])


def state_of(rush: crew_rush.Rush, worker_id: str) -> str:
    table = rush.worker_info
    return str(table[table["worker_id"] == worker_id]["state"].iloc[0])
