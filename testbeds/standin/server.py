"""The server of a stand-in: answers its commands, has jobs run, and knows them after a restart."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import pwd
import signal
import socket
import socketserver
import struct
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbeds.standin import command, mom

_TICK_SECONDS = 0.05
_TURNS = "turns.json"


@dataclass(frozen=True)
class Call:
    """One call of a command.

    Attributes:
        stdin: the caller's standard input, for a command that wants it.
        say: prints before the answer is there.
        wait_until: lets others go on until something is so.
    """

    program: str
    argv: list[str]
    env: Mapping[str, str]
    cwd: str
    uid: int
    gid: int
    stdin: str
    say: Callable[[str], None]
    wait_until: Callable[[Callable[[], bool]], None]

    @property
    def user(self) -> str:
        """The caller's name."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)

    @property
    def home(self) -> str:
        """The caller's home folder."""
        try:
            return pwd.getpwuid(self.uid).pw_dir
        except KeyError:
            return "/"


@dataclass
class Answer:
    """What a command prints, and its exit code.

    Attributes:
        helper_seconds: how long the caller leaves a process of its own behind.
        delay_seconds: how long the caller takes before it prints.
    """

    out: str = ""
    err: str = ""
    code: int = 0
    helper_seconds: float = 0
    delay_seconds: float = 0


@dataclass
class Turned:
    """What tests have turned.

    Attributes:
        refuses: every submission is rejected.
        drained: hosts that start no more jobs.
        failed: hosts that are believed lost.
        delays: how many seconds each command takes longer, when all is done.
        banner: what commands print first, as at sites that greet everybody.
    """

    refuses: bool = False
    drained: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    delays: dict[str, float] = field(default_factory=dict)
    banner: str = ""


def read_turned(place: Path) -> Turned:
    """What tests have turned so far."""
    try:
        return Turned(**json.loads((place / _TURNS).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Turned()


def write_turned(place: Path, turned: Turned) -> None:
    """Turn something; the server reads it before it does anything else."""
    new = place / f"{_TURNS}.new"
    new.write_text(json.dumps(vars(turned)), encoding="utf-8")
    new.replace(place / _TURNS)


class Server(ABC):
    """Answers commands one at a time, and does its rounds between them."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._lock = threading.Condition()
        self._ends = False
        self._is_changed = False

    # ── What each kind does in its own way ─────────────────────────────────────────────────────

    @abstractmethod
    def wants_stdin(self, program: str, argv: list[str]) -> bool:
        """Whether a command reads its standard input."""

    @abstractmethod
    def answer(self, call: Call) -> Answer:
        """Do what a command asks."""

    @abstractmethod
    def tick(self, now: float) -> None:
        """Do what is due."""

    @abstractmethod
    def memory(self) -> object:
        """All that a restart must not forget; it is pickled."""

    @abstractmethod
    def remember(self, memory: Any) -> None:
        """Know it again."""

    def turned(self) -> Turned:
        """What tests have turned."""
        return read_turned(self.place)

    def changed(self) -> None:
        """Something is to be written down."""
        self._is_changed = True

    # ── The node ───────────────────────────────────────────────────────────────────────────────

    def ask_mom(self, **request: object) -> dict[str, Any] | None:
        """Ask the node for something; None when it is down."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(60)
                connection.connect(str(self.place / mom.SOCKET))
                connection.sendall(json.dumps(request).encode() + b"\n")
                with connection.makefile("rb") as stream:
                    return dict(json.loads(stream.readline()))
        except (OSError, ValueError):
            return None

    # ── Serving ────────────────────────────────────────────────────────────────────────────────

    def run(self) -> None:
        """Serve until a signal."""
        file = self.place / "jobs.pickle"
        if file.exists():
            self.remember(pickle.loads(file.read_bytes()))
        signal.signal(signal.SIGTERM, self._told_to_end)
        path = self.place / command.SOCKET
        path.unlink(missing_ok=True)
        listener = _Listener(str(path), _Handler)
        path.chmod(0o777)  # anybody may submit
        listener.standin = self
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        while not self._ends:
            with self._lock:
                self.tick(time.time())
                self._write_down()
                self._lock.notify_all()
            time.sleep(_TICK_SECONDS)
        path.unlink()
        with self._lock:
            self._is_changed = True
            self._write_down()
            os._exit(0)  # whoever waits for an answer sees that there is none

    def serve(self, call: Call) -> Answer:
        """Answer one call."""
        with self._lock:
            answer = self.answer(call)
            self._write_down()
        turned = self.turned()
        answer.out = turned.banner + answer.out
        answer.delay_seconds += turned.delays.get(call.program, 0)
        return answer

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Let others go on until something is so."""
        while not is_so():
            self._lock.wait(1)

    def _told_to_end(self, _number: int, _frame: object) -> None:
        self._ends = True

    def _write_down(self) -> None:
        if self._is_changed:
            self._is_changed = False
            new = self.place / "jobs.new"
            new.write_bytes(pickle.dumps(self.memory()))
            new.replace(self.place / "jobs.pickle")


class _Listener(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 128
    standin: Server


class _Handler(socketserver.StreamRequestHandler):
    server: _Listener

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            line = self.rfile.readline()
            if line:
                answer = self.server.standin.serve(self._call(json.loads(line)))
                self._send(vars(answer))

    def _call(self, request: dict[str, Any]) -> Call:
        _, uid, gid = struct.unpack(
            "3i", self.request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        )
        wants_stdin = self.server.standin.wants_stdin(request["program"], request["argv"])
        return Call(
            **request,
            uid=uid,
            gid=gid,
            stdin=self._read_stdin() if wants_stdin else "",
            say=lambda text: self._send({"say": text}),
            wait_until=self.server.standin.wait_until,
        )

    def _read_stdin(self) -> str:
        self._send({"wants": "stdin"})
        return str(json.loads(self.rfile.readline()))

    def _send(self, message: Mapping[str, object]) -> None:
        self.wfile.write(json.dumps(message).encode() + b"\n")
