"""The carrier's own life: does one request after the other, until it is needed no more.

It ends with its standard input, with the process that started it, and some seconds after its last
worker.
"""

from __future__ import annotations

import json
import logging
import os
import selectors
import signal
import sys
from typing import Any

from crew_core.plugins import CrewError
from crew_ssh._carrier.site import Site, make_site
from crew_ssh._carrier.terminal import ask
from crew_ssh._connection.errors import SshError

log = logging.getLogger("crew")

_LOOK_SECONDS = 0.5


class Server:
    """Does what the launcher asks.

    Args:
        site: what it is about.
    """

    def __init__(self, site: Site) -> None:
        self._deeds = site.deeds
        self._notes = Notes()

    def answer(self, line: bytes) -> bytes:
        """Do what a line asks for."""
        request = json.loads(line)
        try:
            answer: dict[str, Any] = {"value": self._deeds[request["do"]](**request["details"])}
        except CrewError as error:
            transient = isinstance(error, SshError) and error.transient
            answer = {"error": str(error), "transient": transient}
        except Exception as error:
            log.exception("crew-ssh: %s failed", request["do"])
            text = (
                f"{request['do']} failed by a mistake in crew-ssh: {type(error).__name__}: {error}"
            )
            answer = {"error": text, "transient": False}
        answer["notes"] = self._notes.take()
        return json.dumps(answer).encode() + b"\n"


class Notes(logging.Handler):
    """Keeps what is logged here until the launcher takes it, to log it there."""

    def __init__(self) -> None:
        super().__init__()
        self._notes: list[tuple[int, str]] = []
        logger = logging.getLogger("crew")
        logger.addHandler(self)
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self._notes.append((record.levelno, self.format(record)))

    def take(self) -> list[tuple[int, str]]:
        """What has been logged since."""
        notes, self._notes = self._notes, []
        return notes


def main() -> None:
    """Be a carrier."""
    # Ctrl-C is for the user's process, which decides what becomes of workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()
    lines = _Lines(0)
    site = make_site(json.loads(lines.next_line(None) or b"{}"), ask)
    site.watch()
    server = Server(site)
    while True:
        line = lines.next_line(_LOOK_SECONDS)
        if line is None:
            if os.getppid() != parent or site.is_idle:  # the next request starts another
                break
        elif not line:
            break
        else:
            sys.stdout.buffer.write(server.answer(line))
            sys.stdout.buffer.flush()
    site.close()
    os._exit(0)  # threads may still wait for hosts that do not answer


class _Lines:
    """Lines from a pipe, or word that none came in time."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._selector = selectors.DefaultSelector()
        self._selector.register(descriptor, selectors.EVENT_READ)
        self._pending = b""

    def next_line(self, seconds: float | None) -> bytes | None:
        """A line; empty at the end; None: not in time."""
        while b"\n" not in self._pending:
            if not self._selector.select(seconds):
                return None
            data = os.read(self._descriptor, 1 << 20)
            if not data:
                return b""
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        return line
