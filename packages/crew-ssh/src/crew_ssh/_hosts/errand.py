"""Talks to the agent of a host, over the one session that there is with it."""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
from collections.abc import Callable
from typing import Any, Protocol

from crew_ssh._connection.errors import SshError
from crew_ssh._hosts import shipping
from crew_ssh._options.hosts import HostOptions
from crew_ssh._remote.agent import MARK

_SHOWN = 1500
_CHUNK_BYTES = 32 * 1024
_COMPLAINTS_BYTES = 16 * 1024


class Session(Protocol):
    """What is needed of a session: paramiko's channel is one, and a process with pipes may be."""

    def sendall(self, data: bytes) -> object:
        """Give the agent something to read."""

    def recv(self, size: int) -> bytes:
        """What it has written; empty at its end."""

    def recv_stderr(self, size: int) -> bytes:
        """What it complained; empty at its end."""

    def recv_exit_status(self) -> int:
        """Its exit code, once it has ended."""

    def close(self) -> None:
        """End it."""


class Errand:
    """An agent that was sent to a host. Requests may be made on any thread.

    Args:
        open_session: runs a command on the host.
        options: of the host.
        run_directory: where workers' files are; None: the usual place.
        seconds: how long the agent may take to come up.

    Attributes:
        hello: what it said of the host.
        token: names this connection for the next.

    Raises:
        SshError: it did not come up.
    """

    def __init__(
        self,
        open_session: Callable[[str], Session],
        options: HostOptions,
        run_directory: str | None,
        seconds: float,
    ) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._number = 0
        self._waiting: dict[int, _Answer] = {}
        self._over: str | None = None
        self._complaints = bytearray()
        self._hello = _Answer()
        self.token = secrets.token_hex(8)
        self._session = open_session(shipping.command(options.python, options.prologue))
        for work in (self._listen, self._listen_to_complaints):
            threading.Thread(target=work, name="crew-ssh-agent", daemon=True).start()
        with contextlib.suppress(OSError, EOFError):  # then it has ended, and said why
            self._session.sendall(shipping.first_line(self.token, run_directory))
        try:
            told = self._hello.wait(seconds)
        except TimeoutError:
            self.close()
            raise SshError(
                f"{options.host} let us in and did not answer within {seconds:g} s: its login "
                "shell, or prologue=, may wait for something",
                transient=True,
            ) from None
        except SshError:
            self.close()
            raise
        self.hello: dict[str, Any] = told

    @property
    def is_alive(self) -> bool:
        """True until the session has ended."""
        return self._over is None

    def ask(self, do: str, patience: float, **details: Any) -> Any:
        """Have the agent do something; its answer, for which we wait so many seconds.

        Raises:
            SshError: the connection broke, it took too long, or it could not.
        """
        answer = _Answer()
        with self._lock:
            if self._over is not None:
                raise SshError(self._over, transient=True)
            self._number += 1
            number = self._number
            self._waiting[number] = answer
            line = json.dumps({"id": number, "do": do, **details}).encode() + b"\n"
            try:
                self._session.sendall(line)
            except (OSError, EOFError) as error:
                del self._waiting[number]
                raise SshError(self._broke(str(error)), transient=True) from None
        try:
            return answer.wait(patience)
        except TimeoutError:
            self._waiting.pop(number, None)
            raise SshError(
                f"{self._options.host} did not answer within {patience:g} s", transient=True
            ) from None

    def close(self) -> None:
        """End the agent; workers go on."""
        with contextlib.suppress(Exception):  # threads of paramiko's may be at work on it
            self._session.close()

    # ── Its words ──────────────────────────────────────────────────────────────────────────────

    def _listen(self) -> None:
        lines = _lines(self._session.recv)
        mark = f"{MARK} {self.token}".encode()
        with contextlib.suppress(OSError, EOFError, StopIteration):
            while not next(lines).endswith(mark):  # before it: what the login shell printed
                pass
            for line in lines:
                self._take(json.loads(line))
        self._end()

    def _take(self, message: dict[str, Any]) -> None:
        if "hello" in message:
            self._hello.give(message["hello"])
        elif "refused" in message:
            self._hello.fail(
                SshError(f"{self._options.host}: {message['refused']}", transient=False)
            )
        elif (answer := self._waiting.pop(message.get("id", 0), None)) is not None:
            if "error" in message:
                text = f"{self._options.host} could not do it: {message['error']}"
                answer.fail(SshError(text, transient=False))
            else:
                answer.give(message["value"])

    def _end(self) -> None:
        error = SshError(self._why(), transient=True)
        with self._lock:
            self._over = str(error)
            waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            answer.fail(error)
        if not self._hello.is_there:
            self._hello.fail(self._not_up())

    def _not_up(self) -> SshError:
        code = -1
        with contextlib.suppress(OSError, EOFError):
            code = self._session.recv_exit_status()
        host, said = self._options.host, self._said()
        if code == shipping.NO_PYTHON:
            wanted = ", ".join(shipping.candidates(self._options.python))
            return SshError(
                f"{host} has no Python: looked for {wanted} on PATH. Say where it is by python=, "
                f'or make it known by prologue=, as in prologue=["module load python"]{said}',
                transient=False,
            )
        if code < 0:
            return SshError(self._broke("before it answered") + said, transient=True)
        return SshError(
            f"{host} let us in and could not start (exit {code}){said or ': it said nothing'}",
            transient=False,
        )

    def _why(self) -> str:
        return self._broke("the session has ended") + self._said()

    def _broke(self, why: str) -> str:
        return f"lost the connection to {self._options.host}: {why}"

    def _said(self) -> str:
        text = bytes(self._complaints).decode(errors="replace").strip()
        return f". It said:\n{text[-_SHOWN:]}" if text else ""

    def _listen_to_complaints(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            while data := self._session.recv_stderr(_CHUNK_BYTES):
                self._complaints += data
                del self._complaints[:-_COMPLAINTS_BYTES]


class _Answer:
    """What somebody waits for."""

    def __init__(self) -> None:
        self._came = threading.Event()
        self._value: Any = None
        self._error: SshError | None = None

    @property
    def is_there(self) -> bool:
        return self._came.is_set()

    def give(self, value: Any) -> None:
        self._value = value
        self._came.set()

    def fail(self, error: SshError) -> None:
        self._error = error
        self._came.set()

    def wait(self, seconds: float) -> Any:
        if not self._came.wait(seconds):
            raise TimeoutError
        if self._error is not None:
            raise self._error
        return self._value


def _lines(recv: Callable[[int], bytes]) -> Any:
    """Whole lines of what arrives."""
    pending = b""
    while data := recv(_CHUNK_BYTES):
        *lines, pending = (pending + data).split(b"\n")
        yield from lines
