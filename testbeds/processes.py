"""The processes of one testbed, as whoever uses it asks their keeper for them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from testbeds import keeper
from testbeds.errors import BedError

_LOG_LINES = 15
_SECONDS_TO_DIE = 60.0  # of who is killed: on a busy machine even that takes its time


class Processes:
    """What a keeper holds for one folder.

    Args:
        place: the folder.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self._holder: subprocess.Popen[bytes] | None = None

    # ── The keeper ─────────────────────────────────────────────────────────────────────────────

    @property
    def are_held(self) -> bool:
        """True while there is a keeper."""
        try:
            with (self.place / keeper.LOCK).open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def hold(self) -> None:
        """Start the keeper; it ends everything when this process ends, however that is.

        It must not happen while others clear away what was left behind.
        """
        self.place.mkdir(parents=True, exist_ok=True)
        self.place.chmod(0o755)  # munged trusts no folder that a group may write to
        with (self.place / "keeper.out").open("wb") as log:
            self._holder = subprocess.Popen(
                [sys.executable, "-I", keeper.__file__, str(self.place)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        assert self._holder.stdout is not None
        with self._holder.stdout as ready:
            if ready.readline() != b"ready\n":
                self._holder.wait()
                raise BedError(f"the keeper of {self.place} did not start: {self.tail('keeper')}")

    def stay(self) -> None:
        """Let everything go on when this process ends."""
        self.ask(do="stay")

    def end(self) -> None:
        """End every process, undo what is to be undone, and remove the folder."""
        if self.are_held:
            holder = self._saved().get("keeper", [0, ""])
            with contextlib.suppress(BedError):
                self.ask(do="end")
            self._await_keeper(*holder)
        elif self.place.exists():
            self._end_without_keeper()
        if self._holder is not None:
            assert self._holder.stdin is not None
            self._holder.stdin.close()
            self._holder.wait()
            self._holder = None

    def _await_keeper(self, pid: int, birth: str) -> None:
        deadline = time.monotonic() + 60
        while keeper.started(pid) == birth and time.monotonic() < deadline:
            if self._holder is not None:
                self._holder.poll()
            time.sleep(0.01)
        if keeper.started(pid) == birth:
            raise BedError(f"the keeper {pid} of {self.place} does not end")

    def _end_without_keeper(self) -> None:
        saved = self._saved()
        known = saved.get("processes", {}).values()
        own = {pid for pid, birth in known if keeper.started(pid) == birth}
        while own:
            below = keeper.descendants(own)
            keeper.kill(own | below, signal.SIGSTOP)
            keeper.kill(own | below | keeper.descendants(own), signal.SIGKILL)
            time.sleep(0.05)
            own = {pid for pid in own if keeper.started(pid) is not None}
        keeper.tidy(self.place, saved.get("afterwards", []))

    def _saved(self) -> dict[str, Any]:
        try:
            return dict(json.loads((self.place / keeper.STATE).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {}

    def ask(self, **request: object) -> dict[str, Any]:
        """Ask the keeper for something; its answer.

        Raises:
            BedError: it could not, or there is none.
        """
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(30)
                connection.connect(str(self.place / keeper.SOCKET))
                connection.sendall(json.dumps(request).encode() + b"\n")
                with connection.makefile("rb") as stream:
                    answer = dict(json.loads(stream.readline() or b"{}"))
        except OSError as error:
            raise BedError(f"nothing is held in {self.place}: {error}") from None
        if "error" in answer:
            raise BedError(f"the keeper of {self.place} cannot {request}: {answer['error']}")
        return answer

    def answer(self) -> bool:
        """True when the keeper answers."""
        try:
            self.ask(do="list")
        except BedError:
            return False
        return True

    # ── Its processes ──────────────────────────────────────────────────────────────────────────

    def start(
        self, name: str, argv: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> int:
        """Start a process that stays in the foreground; what it prints goes to its log."""
        basics = {"PATH": os.defpath + ":/usr/sbin:/sbin", "LANG": "C.UTF-8", "HOME": _home()}
        answer = self.ask(
            do="start",
            name=name,
            argv=list(argv),
            env={**basics, **(environment or {})},
            cwd="/",
            log=str(self.place / f"{name}.out"),
        )
        return int(answer["pid"])

    def stop(self, name: str, *, seconds: float = 60) -> None:
        """Ask a process to end, and end it when it does not in time."""
        for number, patience in ((signal.SIGTERM, seconds), (signal.SIGKILL, _SECONDS_TO_DIE)):
            self.signal(name, number)
            deadline = time.monotonic() + patience
            while self.is_alive(name) and time.monotonic() < deadline:
                time.sleep(0.02)
        if self.is_alive(name):
            raise BedError(f"{name} does not end")

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a process; nothing when it has ended."""
        self.ask(do="signal", name=name, signal=int(number))

    def is_alive(self, name: str) -> bool:
        """True while a process runs."""
        return name in self.alive()

    def alive(self) -> dict[str, int]:
        """The numbers of the processes that run, by name."""
        found = self.ask(do="list").get("processes", {})
        return {name: pid for name, (pid, code) in found.items() if code is None}

    def afterwards(self, *argv: str) -> None:
        """Have a command run when all has ended: it undoes what is no process."""
        self.ask(do="afterwards", argv=list(argv))

    def wait_for(self, what: str, is_so: Callable[[], bool], *, seconds: float = 90) -> None:
        """Wait until something is so.

        Raises:
            BedError: it is not so in time; with the last lines of the logs.
        """
        deadline = time.monotonic() + seconds
        while not is_so():
            if time.monotonic() > deadline:
                logs = [self.tail(log.stem) for log in sorted(self.place.glob("*.out"))]
                raise BedError(f"{what}: not within {seconds:g} s.\n" + "\n".join(logs))
            time.sleep(0.02)

    def tail(self, name: str) -> str:
        """The last lines of what a process printed."""
        logs = [self.place / f"{name}.out", self.place / f"{name}.log"]
        text = "".join(log.read_text(errors="replace") for log in logs if log.exists())
        return "\n".join(f"{name}: {line}" for line in text.splitlines()[-_LOG_LINES:])


def _home() -> str:
    return os.environ.get("HOME", "/")
