"""Holds the processes of a testbed, so that whatever they start ends with it.

It adopts their orphans, those that made a session of their own too. It ends when it is told to,
and when its standard input does: then whoever brings the bed up has ended, however that was; unless
it is told to stay.
It runs as a script, may be process 1 of a namespace, and imports nothing of the testbeds.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SOCKET = "keeper.sock"
STATE = "keeper.json"
LOCK = "lock"

_PR_SET_CHILD_SUBREAPER = 36


def started(pid: int) -> str | None:
    """When a process began, in the system's ticks; None for one that has ended, or is a zombie.

    Together with its number it names a process for good.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    after_name = fields.rpartition(")")[2].split()
    return None if after_name[0] in "ZX" else after_name[19]


def descendants(ancestors: set[int]) -> set[int]:
    """The live processes below some."""
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                fields = Path(f"/proc/{entry}/stat").read_text(encoding="utf-8", errors="replace")
                state, parent = fields.rpartition(")")[2].split()[:2]
                if state not in "ZX":
                    parents[int(entry)] = int(parent)
    found: set[int] = set()
    while more := {pid for pid, parent in parents.items() if parent in ancestors | found} - found:
        found |= more
    return found


def kill(pids: Iterable[int], number: int) -> None:
    """Send a signal to some, in order; who has ended meanwhile does not matter."""
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def tidy(place: Path, commands: list[list[str]]) -> None:
    """Undo what is no process, the latest first, and remove the bed's folder."""
    for command in reversed(commands):
        with contextlib.suppress(OSError):
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )
    shutil.rmtree(place, ignore_errors=True)


class Keeper:
    """The processes of one folder.

    Args:
        place: the folder; it goes with the keeper unless `stays`.
        stays: leave the folder: somebody else's keeper holds it.
    """

    def __init__(self, place: Path, *, stays: bool) -> None:
        self._place = place
        self._stays = stays
        self._pids: dict[str, int] = {}
        self._births: dict[str, str] = {}
        self._codes: dict[int, int] = {}
        self._afterwards: list[list[str]] = []
        self._ends = False
        self._ends_with_stdin = not os.path.samestat(os.fstat(0), os.stat(os.devnull))
        self._lock = (place / LOCK).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._listener = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(FileNotFoundError):
            (place / SOCKET).unlink()
        self._listener.bind(str(place / SOCKET))
        self._listener.listen(16)

    def run(self) -> None:
        """Serve until it is to end; then end all."""
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._told_by_signal)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        woken, wake = socket.socketpair()
        for end in (woken, wake):
            end.setblocking(False)
        signal.set_wakeup_fd(wake.fileno())
        waiting = selectors.DefaultSelector()
        waiting.register(self._listener, selectors.EVENT_READ)
        waiting.register(woken, selectors.EVENT_READ)
        if self._ends_with_stdin:
            waiting.register(0, selectors.EVENT_READ)
        self._save()
        os.write(1, b"ready\n")
        while not self._ends:
            for key, _ in waiting.select():
                if key.fileobj is self._listener:
                    self._serve()
                elif key.fileobj is woken:
                    with contextlib.suppress(BlockingIOError):
                        woken.recv(4096)
                elif not os.read(0, 4096):
                    waiting.unregister(0)
                    self._ends = self._ends_with_stdin
            self._reap()
        self._end()

    def _told_by_signal(self, _number: int, _frame: object) -> None:
        self._ends = True

    # ── Requests ───────────────────────────────────────────────────────────────────────────────

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rwb") as stream:
            connection.settimeout(10)
            with contextlib.suppress(OSError, ValueError):
                request = json.loads(stream.readline())
                self._reap()
                try:
                    answer = self._answer(request)
                except (OSError, KeyError) as error:
                    answer = {"error": f"{type(error).__name__}: {error}"}
                stream.write(json.dumps(answer).encode() + b"\n")

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["do"]:
            case "start":
                return {"pid": self._start(request)}
            case "signal":
                pid = self._pids[request["name"]]
                if pid not in self._codes:
                    os.kill(pid, request["signal"])
            case "afterwards":
                self._afterwards.append(request["argv"])
                self._save()
            case "list":
                codes = {name: [pid, self._codes.get(pid)] for name, pid in self._pids.items()}
                return {"keeper": os.getpid(), "processes": codes}
            case "stay":
                self._ends_with_stdin = False
            case "end":
                self._ends = True
        return {}

    def _start(self, request: dict[str, Any]) -> int:
        with open(request["log"], "ab") as log:
            process = subprocess.Popen(
                request["argv"],
                env=request["env"],
                cwd=request["cwd"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._pids[request["name"]] = process.pid
        self._births[request["name"]] = started(process.pid) or ""
        process.returncode = 0  # it is reaped here, with the orphans
        self._save()
        return process.pid

    def _reap(self) -> None:
        own = set(self._pids.values())
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid in own:
                    self._codes[pid] = os.waitstatus_to_exitcode(status)

    def _save(self) -> None:
        """Write down what to end, for the case that this process is killed."""
        state = {
            "keeper": [os.getpid(), started(os.getpid())],
            "processes": {name: [pid, self._births[name]] for name, pid in self._pids.items()},
            "afterwards": self._afterwards,
        }
        new = self._place / f"{STATE}.new"
        new.write_text(json.dumps(state), encoding="utf-8")
        new.replace(self._place / STATE)

    # ── The end ────────────────────────────────────────────────────────────────────────────────

    def _end(self) -> None:
        self._listener.close()
        deadline = time.monotonic() + 20
        while (left := descendants({os.getpid()})) and time.monotonic() < deadline:
            kill(left, signal.SIGSTOP)  # none of them starts others meanwhile
            kill(descendants({os.getpid()}), signal.SIGKILL)
            self._reap()
            time.sleep(0.01)
        self._reap()
        if not self._stays:
            tidy(self._place, self._afterwards)


def main() -> None:
    """Hold the processes of the folder that the command line names."""
    Keeper(Path(sys.argv[1]), stays="--stays" in sys.argv[2:]).run()


if __name__ == "__main__":
    main()
