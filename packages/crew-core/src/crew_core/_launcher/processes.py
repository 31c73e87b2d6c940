"""Finds and ends crew's own processes of this user on this computer."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import psutil

from crew_core._model.errors import ConfigError, CrewError

Kind = Literal["dispatcher", "daemon", "worker", "task"]

INSTANCE_VARIABLE = "CREW_INSTANCE"
"""Set by a worker for its task process, so that all descendants can be found by it."""

SAME_START_SECONDS = 2.0
"""Two readings of one process's start may differ by this much when the clock was set meanwhile."""

_MODULES: dict[str, Kind] = {
    "crew_core._dispatcher": "dispatcher",
    "crew_core._launcher.daemon": "daemon",
    "crew_core._worker": "worker",
}
_POLL_SECONDS = 0.02
_PID_DIGITS = 10


@dataclass(frozen=True, kw_only=True)
class OurProcess:
    """One of crew's processes, as the process table shows it.

    Attributes:
        kind: what it is; "task" for anything that a worker's task process started.
        directory: where the dispatcher's sockets are; None when it listens elsewhere.
        client_pid: the process a dispatcher or a launch daemon works for.
        started: seconds since 1970.
        rss: memory in bytes.
    """

    kind: Kind
    pid: int
    started: float
    status: str
    rss: int
    controller: str | None = None
    instance: str | None = None
    directory: str | None = None
    client_pid: int | None = None


def find(kind: Literal["dispatcher", "daemon", "worker"]) -> list[OurProcess]:
    """This user's live processes of this kind, known by their command lines. No zombies."""
    return [
        found
        for process in _mine()
        if (argv := _read_argv(process))
        and _kind_of(argv) == kind
        and (found := _describe(process, kind, argv)) is not None
    ]


def find_tasks(instances: Collection[str] | None = None) -> list[OurProcess]:
    """This user's processes that descend from a task of these workers, or of any worker.

    A process that cleared its environment is not found.
    """
    return [
        found
        for process in _mine()
        if (instance := _read_instance(process))
        and (instances is None or instance in instances)
        and (found := _describe(process, "task", (), instance)) is not None
    ]


def instances() -> set[str]:
    """Those of all workers that run: of crew's, and of those that other packages have launched."""
    named = (_option(_read_argv(process), "--instance") for process in _mine())
    return {instance for instance in named if instance}


def process_of(pid: int, started: float) -> psutil.Process | None:
    """The process of this id if it is still the one that started then, and no zombie."""
    try:
        process = psutil.Process(pid)
        if abs(process.create_time() - started) > SAME_START_SECONDS:
            return None
        return None if has_ended(process) else process
    except psutil.Error:
        return None


def has_ended(process: psutil.Process) -> bool:
    """True when the process is gone, or a zombie that only its parent can remove."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def lived_at(pid: int, moment: float) -> bool:
    """True when this process lives and lived then: not a later one of the same id."""
    try:
        process = psutil.Process(pid)
        return not has_ended(process) and process.create_time() <= moment + SAME_START_SECONDS
    except psutil.AccessDenied:
        return True
    except psutil.Error:
        return False


def end(processes: Iterable[OurProcess], seconds: float = 3.0) -> dict[int, str]:
    """End processes, frozen ones too: ask first, after ``seconds`` kill.

    Returns:
        By process id: "gone" (it had ended already), "terminated", "killed" or "not permitted".
    """
    asked = {ours.pid: process_of(ours.pid, ours.started) for ours in processes}
    live = {pid: process for pid, process in asked.items() if process is not None}
    done = {pid: "gone" for pid in asked if pid not in live}
    for pid, process in live.items():
        done[pid] = "terminated" if _ask_to_end(process) else "not permitted"
    for process in _wait(list(live.values()), seconds):
        done[process.pid] = "killed" if kill(process) else "not permitted"
    return done


def kill(process: psutil.Process) -> bool:
    """End a process at once; False when that is not permitted."""
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
    return True


def sweep(instances: Collection[str]) -> int:
    """Kill what tasks of these workers left running; how many processes that was."""
    killed: set[tuple[int, float]] = set()
    # A process may have forked between being listed and being killed, so look again until a look
    # finds nothing new. A fork bomb would keep this up for ever, hence the limit.
    for _ in range(10):
        found = [process for process in find_tasks(instances) if process.pid != os.getpid()]
        new = [process for process in found if (process.pid, process.started) not in killed]
        if not new:
            break
        for ours in new:
            process = process_of(ours.pid, ours.started)
            if process is not None:
                kill(process)
            killed.add((ours.pid, ours.started))
    return len(killed)


def terminate_process(pid: int, *, seconds: float = 3.0) -> bool:
    """End a process of this computer: ask it to, and kill it if it is still there after a while.

    Returns:
        True when it ended; False when there was no such process.

    Raises:
        ConfigError: for a number that cannot be another process.
        CrewError: when ending it is not permitted.

    Example::

        >>> import subprocess, sys
        >>> process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        >>> crew.terminate_process(process.pid)
        True
        >>> process.wait() != 0
        True
        >>> process.stdin.close()
    """
    if isinstance(pid, bool) or not isinstance(pid, int):
        raise TypeError(f"pid={pid!r}: must be a whole number, not {type(pid).__name__}")
    if pid <= 1 or pid == os.getpid():
        raise ConfigError(f"pid={pid!r}: must be the id of another process, above 1")
    try:
        process = psutil.Process(pid)
    except psutil.NoSuchProcess:
        return False
    if has_ended(process):
        return False
    permitted = _ask_to_end(process) and all(kill(late) for late in _wait([process], seconds))
    if not permitted:
        raise CrewError(f"process {pid} cannot be ended: it belongs to another user")
    return True


def _mine() -> Iterator[psutil.Process]:
    # Not psutil.process_iter: it keeps objects from call to call, and with them the start times of
    # processes whose ids have been used again since.
    for pid in psutil.pids():
        try:
            process = psutil.Process(pid)
            if _is_mine(process):
                yield process
        except psutil.Error:
            continue


def _is_mine(process: psutil.Process) -> bool:
    if hasattr(os, "getuid"):
        return process.uids().real == os.getuid()
    return process.username() == psutil.Process().username()


def _read_argv(process: psutil.Process) -> Sequence[str]:
    try:
        return process.cmdline()
    except (psutil.Error, OSError):
        return ()


def _read_instance(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(INSTANCE_VARIABLE)
    except (psutil.Error, OSError):
        return None


def _kind_of(argv: Sequence[str]) -> Kind | None:
    """What a command line runs. The module follows -m, so a mere mention of it does not count."""
    for flag, module in pairwise(argv):
        if flag == "-m":
            return _MODULES.get(module)
    return None


def _describe(
    process: psutil.Process, kind: Kind, argv: Sequence[str], instance: str | None = None
) -> OurProcess | None:
    try:
        with process.oneshot():
            status = process.status()
            if status == psutil.STATUS_ZOMBIE:
                return None
            client_pid = _option(argv, "--client-pid") or ""
            return OurProcess(
                kind=kind,
                pid=process.pid,
                started=process.create_time(),
                status=status,
                rss=process.memory_info().rss,
                controller=_option(argv, "--controller"),
                instance=instance or _option(argv, "--instance"),
                directory=_option(argv, "--directory") or _directory_of(_option(argv, "--url")),
                client_pid=_pid(client_pid),
            )
    except psutil.Error:
        return None


def _option(argv: Sequence[str], flag: str) -> str | None:
    for given, value in pairwise(argv):
        if given == flag:
            return value
    return None


def _pid(text: str) -> int | None:
    # Anybody can write anything into a command line, and Python refuses to read endless numbers.
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _PID_DIGITS else None


def _directory_of(url: str | None) -> str | None:
    scheme, _, path = (url or "").partition("://")
    return os.path.dirname(path) if scheme == "unix" else None


def _ask_to_end(process: psutil.Process) -> bool:
    try:
        process.terminate()
        # A frozen process takes notice only once it runs again.
        process.resume()
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
    return True


def _wait(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait for processes to end; those that have not.

    Not psutil's own wait: it would take a child's exit status from the Popen that wants it.
    """
    deadline = time.monotonic() + seconds
    while (left := [p for p in processes if not has_ended(p)]) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return left
