"""The program of one launch daemon: calls a copy of the launcher as its controller orders.

::

    controller ──► a socket on standard input ──► reading thread ──► main thread: launch, poll, …
        ▲                                              │                       │
        └────────────── reply, log lines ──────────────┼───────────────────────┘
                                                       └─ the controller is gone: end at once

One order at a time, in the order in which they come. Secrets come by the socket only.
"""

from __future__ import annotations

import argparse
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from crew_core._launcher.guarded import GuardedLauncher
from crew_core._model.errors import CrewError, LaunchError
from crew_core._wire import pickling


class Hello(NamedTuple):
    """What a daemon is told first. It crosses as a plain tuple.

    Attributes:
        search: where the launcher's modules are found.
        environment: the controller's.
        launcher: the launcher, pickled; unpickled once modules can be found.
    """

    search: list[str]
    environment: dict[str, str]
    launcher: bytes


class Reply(NamedTuple):
    """What became of an order. It crosses as a plain tuple.

    Attributes:
        value: what the launcher returned, pickled; of a failure the LaunchError.
        failed: whether it failed.
        said: level and text of what was logged meanwhile.
    """

    value: bytes
    failed: bool
    said: list[tuple[int, str]]


def main() -> None:
    """Serve until the controller is gone."""
    parser = argparse.ArgumentParser(prog="crew launch daemon")
    # For people who read process lists, and for those who look for what is left over.
    parser.add_argument("--controller", required=True)
    parser.add_argument("--client-pid", required=True)
    controller = parser.parse_args().controller
    connection = _take_over_input()
    orders: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    reading = threading.Thread(target=_read, args=(connection, orders), daemon=True)
    reading.start()
    said = _listen_to_log()
    hello = Hello(*pickling.load(orders.get()))
    os.environ.clear()
    os.environ.update(hello.environment)
    sys.path[:] = hello.search
    performer = _Performer(hello.launcher, controller)
    while True:
        method, argument = pickling.load(orders.get())
        value, failed = performer.perform(method, argument)
        reply = Reply(value, failed, said.copy())
        said.clear()
        connection.send_bytes(pickling.dump(tuple(reply), "a reply"))


class _Performer:
    """Owns the copy of the launcher, made at the first order."""

    def __init__(self, pickled: bytes, controller: str) -> None:
        self._pickled = pickled
        self._controller = controller
        self._launcher: GuardedLauncher | None = None

    def perform(self, method: str, argument: Any) -> tuple[bytes, bool]:
        """What came of it, pickled, and whether it failed."""
        try:
            launcher = self._made()
            call: Callable[[Any], Any] = getattr(launcher, method)
            value = call(argument)
            return self._pickle(launcher, method, value), False
        except CrewError as error:
            return _pickled_error(error), True

    def _made(self) -> GuardedLauncher:
        if self._launcher is None:
            try:
                launcher = pickling.load(self._pickled, "the launcher")
            except CrewError as error:
                raise LaunchError(
                    f"a launch daemon cannot make its copy of the launcher: {error} Its class must "
                    "take `options` alone, or define __reduce__; or use processes=None"
                ) from error
            self._launcher = GuardedLauncher(launcher, self._controller)
        return self._launcher

    def _pickle(self, launcher: GuardedLauncher, method: str, value: Any) -> bytes:
        try:
            return pickling.dump(value, "the launcher's handles")
        except CrewError as error:
            if method == "launch":
                launcher.terminate([handle for handle, _ in value])
            raise LaunchError(f"{error} A handle must be an object that pickle can copy") from error


def _pickled_error(error: CrewError) -> bytes:
    try:
        return pickling.dump(error, "the error")
    except CrewError:
        return pickling.dump(LaunchError(str(error)), "the error")


def _take_over_input() -> Connection:
    """The socket that is standard input; what the launcher starts gets an empty one."""
    connection = Connection(os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return connection


def _read(connection: Connection, orders: queue.SimpleQueue[bytes]) -> None:
    try:
        while True:
            orders.put(connection.recv_bytes())
    except (EOFError, OSError):
        # Whatever the launcher is doing, nobody wants it any more. The group is what it runs.
        os.killpg(os.getpgrp(), signal.SIGKILL)


def _listen_to_log() -> list[tuple[int, str]]:
    """Whatever crew logs from now on, to be sent to the controller's log."""
    said: list[tuple[int, str]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append((record.levelno, self.format(record)))

    logger = logging.getLogger("crew")
    logger.addHandler(Keep())
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    return said


if __name__ == "__main__":
    main()
