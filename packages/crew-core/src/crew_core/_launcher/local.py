"""Starts workers as processes of this computer."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from crew_core._launcher.base import Launcher
from crew_core._launcher.request import LaunchRequest, WorkerLaunch
from crew_core._launcher.shortage import is_shortage
from crew_core._model.errors import LaunchError
from crew_core._model.states import JobState
from crew_core._wire.places import make_directories
from crew_core._wire.spawning import unforked

# ``processes`` needs psutil, which is imported once the first worker is on its way.

TERMINATE_SECONDS = 3.0
"""How long a worker that was asked to end may take."""


class LocalHandle(msgspec.Struct, frozen=True):
    """A worker's process. The start time tells it from a later process of the same id."""

    pid: int
    create_time: float
    instance: str

    def __str__(self) -> str:
        return str(self.pid)


class LocalLauncher(Launcher):
    """Starts workers as processes of this computer, each in a session of its own."""

    seconds_launch_default: ClassVar[float] = 30.0
    local: ClassVar[bool] = True

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        # By instance: an id of a process may be used again, an instance never.
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._exits: dict[str, int] = {}

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        """Start the workers, all or none."""
        handles: list[LocalHandle] = []
        try:
            for worker in request.workers:
                handles.append(self._start(worker))
        except OSError as error:
            self.terminate(handles)
            raise LaunchError(
                f"cannot start {worker.name} on this computer: {error}",
                transient=is_shortage(error),
                argv=worker.argv,
            ) from error
        return handles

    def poll(self, handles: Sequence[LocalHandle]) -> list[JobState]:
        """Running, finished (exit 0) or failed; takes note of those that ended."""
        return [self._state(handle) for handle in handles]

    def terminate(self, handles: Sequence[LocalHandle]) -> None:
        """End these workers and all that their tasks started; takes at most a few seconds."""
        import psutil

        from crew_core._launcher.processes import process_of, sweep

        live = [handle for handle in handles if self._exit_code(handle) is None]
        processes = [p for h in live if (p := process_of(h.pid, h.create_time)) is not None]
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.terminate()
                # A frozen worker takes notice only once it runs again.
                process.resume()
        self._await(live, TERMINATE_SECONDS)
        for handle in live:
            self._kill_group(handle)
        self._await(live, TERMINATE_SECONDS)
        if handles:
            sweep({handle.instance for handle in handles})

    def logs(self, handle: LocalHandle) -> None:
        """None: the worker writes its log itself, and the controller knows where."""

    def exit_text(self, handle: LocalHandle) -> str | None:
        """How the worker ended, "exit 3" or "signal 9"; None while it runs or when unknown."""
        code = self._exit_code(handle)
        if code is None:
            return None
        return f"exit {code}" if code >= 0 else f"signal {-code}"

    def sweep(self, instance: str) -> int:
        """Kill what a dead worker's tasks left running; how many processes that was."""
        from crew_core._launcher.processes import sweep

        return sweep({instance})

    def _start(self, worker: WorkerLaunch) -> LocalHandle:
        output = subprocess.DEVNULL if worker.log is None else _open_log(Path(worker.log))
        try:
            with unforked():
                child = subprocess.Popen(
                    worker.argv,
                    env={**os.environ, **worker.env},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    # Ctrl-C in the user's terminal is for the user's own process.
                    start_new_session=True,
                    close_fds=True,
                )
        finally:
            if output != subprocess.DEVNULL:
                os.close(output)
        self._children[worker.instance] = child
        return LocalHandle(child.pid, _create_time(child.pid), worker.instance)

    def _state(self, handle: LocalHandle) -> JobState:
        seen = handle.instance in self._exits
        code = self._exit_code(handle)
        if code is None:
            return self._state_of_stranger(handle)
        if code and not seen:
            # It could not tidy up behind itself.
            self.sweep(handle.instance)
        return JobState.FAILED if code else JobState.FINISHED

    def _state_of_stranger(self, handle: LocalHandle) -> JobState:
        """Judge by the process table, which does not keep how a process ended."""
        if handle.instance in self._children:
            return JobState.RUNNING
        from crew_core._launcher.processes import process_of

        running = process_of(handle.pid, handle.create_time) is not None
        return JobState.RUNNING if running else JobState.FINISHED

    def _exit_code(self, handle: LocalHandle) -> int | None:
        """A child's exit status; None while it runs and for a process that is no child of ours."""
        child = self._children.get(handle.instance)
        if child is not None and child.poll() is not None:
            self._exits[handle.instance] = child.returncode
            self._children.pop(handle.instance, None)
        return self._exits.get(handle.instance)

    def _await(self, handles: Sequence[LocalHandle], seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while any(self._is_running(handle) for handle in handles) and time.monotonic() < deadline:
            time.sleep(0.01)

    def _is_running(self, handle: LocalHandle) -> bool:
        if self._exit_code(handle) is not None:
            return False
        return self._state_of_stranger(handle) is JobState.RUNNING

    def _kill_group(self, handle: LocalHandle) -> None:
        from crew_core._launcher.processes import process_of

        # Only while its leader lives: afterwards the number may be another group's.
        if process_of(handle.pid, handle.create_time) is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(handle.pid, signal.SIGKILL)


_START_FIELD = 19  # after the name
_DIGITS = 20


def _open_log(path: Path) -> int:
    make_directories(path.parent)
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def _create_time(pid: int) -> float:
    if sys.platform == "linux":
        with contextlib.suppress(OSError, ValueError):
            return _read_create_time(pid)
    import psutil

    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        # It has ended already, and this system does not say when a zombie started.
        return time.time()


def _read_create_time(pid: int) -> float:
    """As psutil reads it, which would have to be imported while the first worker starts."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        process = file.read()
    with open("/proc/stat", "rb") as file:
        return started_at(process, file.read(), os.sysconf("SC_CLK_TCK"))


def started_at(process: bytes, system: bytes, ticks: int) -> float:
    """When a process started, in seconds since 1970, from its and the system's ``stat``.

    Raises:
        ValueError: they do not tell, as in some containers.
    """
    after_name = process.rpartition(b")")[2].split()  # which may be any text
    booted = next((line for line in system.splitlines() if line.startswith(b"btime ")), b"")
    numbers = [booted.removeprefix(b"btime ").strip(), *after_name[_START_FIELD:][:1]]
    if len(numbers) < 2 or not all(n.isdigit() and len(n) <= _DIGITS for n in numbers):
        raise ValueError("no time of start")
    return int(numbers[0]) + int(numbers[1]) / ticks
