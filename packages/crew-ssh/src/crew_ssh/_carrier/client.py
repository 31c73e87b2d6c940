"""A launcher's end of its carrier: starts it when there is something to do, and asks it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from typing import IO, Any

from crew_core.plugins import unforked
from crew_ssh._connection.errors import SshError

log = logging.getLogger("crew")

_SHOWN = 2000
_ENDED = "the process that holds the connections to hosts ended"


class Carrier:
    """Whatever process carries at the moment. May be used on any thread.

    Args:
        told: what it is told first, see ``make_yard``.
    """

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = dict(told)
        self._lock = threading.RLock()
        self._process: _Process | None = None

    def ask(self, do: str, **details: Any) -> Any:
        """Have something done; its answer. Takes as long as hosts take.

        Raises:
            SshError: it was not done.
        """
        line = _line(do, details)
        with self._lock:
            try:
                answer = self._running().exchange(line)
            except OSError:
                # It ended just now, as nobody needed it. What is asked for is safe to ask again:
                # no host starts a worker of one name twice.
                self._process = None
                answer = self._again(line)
        return _value(answer)

    def ask_once(self, do: str, **details: Any) -> Any:
        """As ``ask``, of what must not be done twice.

        Raises:
            SshError: it was not done.
            ConnectionError: it may have been done, and nobody knows.
        """
        with self._lock:
            try:
                answer = self._running().exchange(_line(do, details))
            except OSError:
                process, self._process = self._process, None
                said = "" if process is None else process.said()
                raise ConnectionError(f"{_ENDED}{said}") from None
        return _value(answer)

    def close(self) -> None:
        """Nobody needs it any more; the next request starts another."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None and process.owner == os.getpid():
            process.close()

    def _running(self) -> _Process:
        process = self._process
        # A fork has its parent's.
        if process is None or process.is_over or process.owner != os.getpid():
            process = self._process = _Process(self._told)
        return process

    def _again(self, line: bytes) -> dict[str, Any]:
        process = self._running()
        try:
            return process.exchange(line)
        except OSError:
            self._process = None
            raise SshError(f"{_ENDED}{process.said()}", transient=True) from None


def _line(do: str, details: Mapping[str, Any]) -> bytes:
    return json.dumps({"do": do, "details": details}).encode() + b"\n"


def _value(answer: Mapping[str, Any]) -> Any:
    """What came of a request; what was noted meanwhile is logged here.

    Raises:
        SshError: it was not done.
    """
    for level, text in answer["notes"]:
        log.log(level, "%s", text)
    if "error" in answer:
        raise SshError(answer["error"], transient=answer["transient"])
    return answer["value"]


class _Process:
    """One process that carries."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.owner = os.getpid()
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        path = os.pathsep.join(entry for entry in sys.path if entry)
        with unforked():
            child = subprocess.Popen(
                [sys.executable, "-m", "crew_ssh._carrier"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                env={**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"},
            )
        assert child.stdin is not None
        assert child.stdout is not None
        self._to: IO[bytes] = child.stdin
        self._from: IO[bytes] = child.stdout
        self._last_words = ""
        self._over = threading.Event()
        # Whoever waits for it keeps it, too, until it has ended.
        threading.Thread(
            target=self._await, args=(child,), name="crew-ssh-carrier", daemon=True
        ).start()
        with contextlib.suppress(OSError):  # the first request will find out
            self._send(json.dumps(dict(told)).encode() + b"\n")

    @property
    def is_over(self) -> bool:
        """True once it has ended."""
        return self._over.is_set()

    def close(self) -> None:
        """Have it end."""
        with contextlib.suppress(OSError, ValueError):
            self._to.close()

    def exchange(self, line: bytes) -> dict[str, Any]:
        """One request and its answer.

        Raises:
            OSError: it has ended.
        """
        try:
            self._send(line)
            told = self._from.readline()
        except ValueError:  # it is closed
            raise BrokenPipeError from None
        if not told.endswith(b"\n"):
            raise BrokenPipeError
        return dict(json.loads(told))

    def said(self) -> str:
        """What it complained, for an error."""
        return f". It had said:\n{self._last_words}" if self._last_words else ""

    def _send(self, line: bytes) -> None:
        self._to.write(line)
        self._to.flush()

    def _await(self, child: subprocess.Popen[bytes]) -> None:
        child.wait()
        with self._complaints as file, contextlib.suppress(OSError, ValueError):
            file.seek(0)
            self._last_words = file.read().decode(errors="replace").strip()[-_SHOWN:]
        self._over.set()
        for pipe in (self._to, self._from):
            with contextlib.suppress(OSError, ValueError):
                pipe.close()
