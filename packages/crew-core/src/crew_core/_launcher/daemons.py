"""A pool of launch daemons: processes that call the launcher while the controller goes on.

::

    order ──► the daemon's queue ──► its thread ──► its process
                                          │
    done(reply or LaunchError) ◄──────────┘

What concerns one worker is ordered from one daemon, and so done in the order of asking. A daemon
that dies is replaced, and what it was doing is told as failed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from crew_core._launcher.daemon import Hello, Reply
from crew_core._model.errors import CrewError, LaunchError
from crew_core._wire import pickling
from crew_core._wire.spawning import unforked

log = logging.getLogger("crew")

_END_SECONDS = 2.0
_LOG_TAIL = 2000

Done = Callable[[Any], None]
"""Told what came of an order: what the launcher returned, or a LaunchError. On another thread."""


@dataclass(eq=False)
class _Order:
    method: str
    argument: Any
    done: Done


class DaemonPool:
    """So many daemons, started at once and ended by ``close``.

    Args:
        size: how many.
        launcher: the launcher, pickled.
        controller: the controller's name.
        directory: where they write what the launcher prints.
    """

    def __init__(self, size: int, launcher: bytes, controller: str, directory: Path) -> None:
        search = [os.path.abspath(entry) for entry in sys.path]
        hello = pickling.dump(tuple(Hello(search, dict(os.environ), launcher)), "the launcher")
        self._changed = threading.Condition()
        self._daemons: list[_Daemon] = []
        try:
            for number in range(size):
                log_file = directory / f"daemon-{number + 1}.log"
                self._daemons.append(_Daemon(_Process(controller, hello, log_file), self._changed))
        except BaseException:
            self.close()
            raise

    def least_busy(self) -> int:
        """The daemon that has least to do."""
        return min(range(len(self._daemons)), key=lambda number: self._daemons[number].load)

    def order(self, method: str, argument: Any, done: Done, daemon: int) -> None:
        """Have a method of the guarded launcher called. Does not wait.

        Args:
            method: its name.
            argument: its argument; any object that pickle can copy.
            done: called once, when it was done or cannot be done.
            daemon: which daemon is to do it.
        """
        with self._changed:
            self._daemons[daemon].put(_Order(method, argument, done))
            self._changed.notify_all()

    def withdraw(self, method: str) -> None:
        """Drop orders of this method that no daemon has begun; they count as failed."""
        with self._changed:
            dropped = [order for daemon in self._daemons for order in daemon.drop(method)]
            self._changed.notify_all()
        for order in dropped:
            order.done(LaunchError("the controller was terminated before the launch"))

    def settle(self, seconds: float) -> bool:
        """Wait until nothing is ordered any more; False when it took longer."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not any(daemon.load for daemon in self._daemons), seconds
            )

    def close(self) -> None:
        """End the daemons. What has not been done is told as failed."""
        for daemon in self._daemons:
            daemon.close()
        for daemon in self._daemons:
            daemon.join(2 * _END_SECONDS)

    def abandon(self) -> None:
        """In a forked child: let go of what belongs to the parent."""
        for daemon in self._daemons:
            daemon.abandon()


class _Daemon:
    """One place in the pool: a queue, the thread that works it off, and the process that does."""

    def __init__(self, process: _Process, changed: threading.Condition) -> None:
        self._process = process
        self._changed = changed
        self._orders: deque[_Order] = deque()
        self._busy = False
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="crew-daemon", daemon=True)
        self._thread.start()

    @property
    def load(self) -> int:
        return len(self._orders) + self._busy

    # ── Under the pool's lock ──────────────────────────────────────────────────────────────────

    def put(self, order: _Order) -> None:
        self._orders.append(order)

    def drop(self, method: str) -> list[_Order]:
        dropped = [order for order in self._orders if order.method == method]
        self._orders = deque(order for order in self._orders if order.method != method)
        return dropped

    # ── The end ────────────────────────────────────────────────────────────────────────────────

    def close(self) -> None:
        with self._changed:
            self._closing = True
            if self._busy:
                self._process.kill()  # who closes in the middle of an order has waited enough
            self._changed.notify_all()

    def join(self, seconds: float) -> None:
        if threading.current_thread() is not self._thread:
            self._thread.join(seconds)

    def abandon(self) -> None:
        self._process.abandon()

    # ── The thread ─────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        while (order := self._next()) is not None:
            outcome = self._perform(order)
            try:
                order.done(outcome)
            except Exception:
                log.exception("what follows from %s failed", order.method)
            with self._changed:
                self._busy = False
                self._changed.notify_all()
        self._process.end()

    def _next(self) -> _Order | None:
        with self._changed:
            self._changed.wait_for(lambda: self._orders or self._closing)
            if not self._orders:
                return None
            self._busy = True
            return self._orders.popleft()

    def _perform(self, order: _Order) -> Any:
        if self._closing:
            return LaunchError("the controller was terminated before this was done")
        try:
            self._process.revive()
            reply = self._process.ask((order.method, order.argument))
            for level, text in reply.said:
                log.log(level, "%s", text)
            return pickling.load(reply.value, "what the launcher returned")
        except (EOFError, OSError) as error:
            return self._process.obituary(order.method, error)
        except CrewError as error:
            return LaunchError(str(error))


class _Process:
    """The process of a daemon: this one, or after its death the next."""

    def __init__(self, controller: str, hello: bytes, log_file: Path) -> None:
        self._controller = controller
        self._hello = hello
        self._log = log_file
        self._start()

    def revive(self) -> None:
        """Start another if this one is dead."""
        if self._child.poll() is not None:
            self._connection.close()
            self._start()

    def ask(self, order: tuple[str, Any]) -> Reply:
        """Have it do something; what it replies.

        Raises:
            EOFError, OSError: it died.
        """
        self._connection.send_bytes(pickling.dump(order, "an order"))
        return Reply(*pickling.load(self._connection.recv_bytes(), "a reply"))

    def obituary(self, method: str, error: Exception) -> LaunchError:
        """What is said of an order that its death interrupted."""
        self.kill()
        code = self._child.wait()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        said = self._last_words()
        return LaunchError(
            f"launch daemon {self._child.pid} of controller {self._controller!r} died ({how}) "
            f"in {method}(); another takes its place"
            + (f". Its output ends:\n{said}" if said else ""),
            transient=True,
            returncode=code,
            stderr=said or str(error),
        )

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._child.kill()

    def end(self) -> None:
        """End it: it goes when its socket is closed."""
        self._connection.close()
        deadline = time.monotonic() + _END_SECONDS
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(max(0.0, deadline - time.monotonic()))
        self.kill()
        self._child.wait()
        with contextlib.suppress(OSError):
            if not self._log.stat().st_size:
                self._log.unlink()

    def abandon(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.close()

    def _start(self) -> None:
        argv = [sys.executable, "-m", "crew_core._launcher.daemon"]
        argv += ["--controller", self._controller, "--client-pid", str(os.getpid())]
        ours, theirs = socket.socketpair()
        self._connection = Connection(ours.detach())
        output = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            with theirs, unforked():
                self._child = subprocess.Popen(
                    argv,
                    stdin=theirs.fileno(),
                    stdout=output,
                    stderr=output,
                    # A file of the working directory must not replace a module. The launcher gets
                    # the controller's own environment with the first message.
                    env={**os.environ, "PYTHONSAFEPATH": "1"},
                    # Ctrl-C in the user's terminal is for the user's own process.
                    start_new_session=True,
                )
        except BaseException:
            self._connection.close()
            raise
        finally:
            os.close(output)
        with contextlib.suppress(OSError):  # its death is noticed at the next order
            self._connection.send_bytes(self._hello)

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            return self._log.read_text(errors="replace")[-_LOG_TAIL:].strip()
        return ""
