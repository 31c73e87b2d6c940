"""Keeps one worker: gives signs of life, takes orders, and says how the loop's process ended."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from crew_rush._model.errors import RushError
from crew_rush._model.facts import Orders, Worker
from crew_rush._model.start import Errand, Start
from crew_rush._model.states import WorkerState
from crew_rush._store.base import Store

_LOOK_SECONDS = 0.2
_END_SECONDS = 5.0


@dataclass(frozen=True)
class Job:
    """What a supervisor was told.

    Attributes:
        errand: for the loop's process.
        launcher: the name of what started this worker.
        remote: it is not on its manager's computer.
    """

    errand: Errand
    launcher: str
    remote: bool


class Supervisor:
    """One life of one worker.

    Args:
        store: the network's part of a store.
        job: what to do.
        start: how.
    """

    def __init__(self, store: Store, job: Job, start: Start) -> None:
        self._store = store
        self._errand = job.errand
        self._job = job
        self._start = start
        self._told_to_end = False
        self._next_beat = 0.0

    def run(self) -> int:
        """Run the loop's process to its end; the exit code."""
        signal.signal(signal.SIGTERM, self._note_signal)
        child = self._spawn()
        try:
            self._store.register(self._worker(child.pid), self._start.heartbeat_expire)
            self._send_off(child)
            return self._watch(child)
        except RushError as error:  # no store any more, or no such network
            sys.stderr.write(f"crew-rush worker {self._errand.worker_id} ends: {error}\n")
            return 4
        finally:
            _kill(child)

    def _watch(self, child: subprocess.Popen[bytes]) -> int:
        while True:
            try:
                code = child.wait(_LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                pass
            else:
                return self._note_end(code)
            if self._told_to_end:
                _kill(child)
                self._end(WorkerState.LOST, "its platform told it to end")
                return 0
            orders = self._beat()
            if orders is not None and (orders.kill or not orders.known):
                _kill(child)
                return 0

    def _beat(self) -> Orders | None:
        if time.monotonic() < self._next_beat:
            return None
        self._next_beat = time.monotonic() + self._start.heartbeat_period
        return self._store.beat(self._errand.worker_id, self._errand.life)

    def _note_end(self, code: int) -> int:
        if code >= 0:
            # Its own words, if it could say any, came first and stay.
            self._end(WorkerState.TERMINATED, "" if code == 0 else f"exit {code}")
            return 0
        self._end(WorkerState.LOST, f"signal {-code}")
        return 1  # by which a launcher knows that something may be left running

    def _end(self, state: WorkerState, reason: str) -> None:
        with contextlib.suppress(RushError):
            self._store.end_worker(self._errand.worker_id, self._errand.life, state.value, reason)

    def _worker(self, pid: int) -> Worker:
        return Worker(
            worker_id=self._errand.worker_id,
            life=self._errand.life,
            pid=pid,
            hostname=socket.gethostname(),
            remote=self._job.remote,
            launcher=self._job.launcher,
            start=self._errand.start,
        )

    # ── The loop's process ─────────────────────────────────────────────────────────────────────

    def _spawn(self) -> subprocess.Popen[bytes]:
        name = self._errand.worker_id
        with contextlib.ExitStack() as files:
            output = _open(files, self._start.output_log, f"output_{name}.log")
            message = _open(files, self._start.message_log, f"message_{name}.log")
            return subprocess.Popen(
                [sys.executable, "-m", "crew_rush._loop"],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=message,
                # By this crew finds what a dead worker's loop has left running.
                env={**os.environ, "CREW_INSTANCE": self._errand.life},
                start_new_session=True,
            )

    def _send_off(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdin is not None
        with contextlib.suppress(OSError):  # it died: that shows
            child.stdin.write(msgspec.json.encode(self._errand) + b"\n")
            child.stdin.flush()

    def _note_signal(self, number: int, frame: object) -> None:  # noqa: ARG002 - a handler's
        self._told_to_end = True


def _open(files: contextlib.ExitStack, folder: str | None, name: str) -> int | None:
    if folder is None:
        return None
    Path(folder).mkdir(parents=True, exist_ok=True)
    descriptor = os.open(Path(folder, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    files.callback(os.close, descriptor)
    return descriptor


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End the loop and what it started, unless they have ended."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_END_SECONDS)
    if child.stdin is not None:
        with contextlib.suppress(OSError):
            child.stdin.close()
