"""Processes of a host, told apart for good by number and birth; with nothing but Python's own.

Reads /proc where there is one, else asks ``ps``.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable

_HAS_PROC = os.path.exists("/proc/self/stat")
_STEP_SECONDS = 0.02


def birth_of(pid: int) -> str | None:
    """When a process began, in the system's own words; None for one that has ended."""
    if not _HAS_PROC:
        return _birth_by_ps(pid)
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else fields[19]


def lives(pid: int, birth: str) -> bool:
    """True while this very process runs."""
    return birth_of(pid) == birth


def end_groups(groups: dict[int, str], seconds: float) -> None:
    """End process groups, politely at first; all that is left after so many seconds is killed.

    Args:
        groups: the birth of each group's first process, by its number.
        seconds: how long they may take to leave.
    """
    left = {pid: birth for pid, birth in groups.items() if lives(pid, birth)}
    for pid in left:
        signal_group(pid, signal.SIGTERM)
        signal_group(pid, signal.SIGCONT)  # a frozen one takes notice only once it runs again
    deadline = time.monotonic() + seconds
    while left and time.monotonic() < deadline:
        time.sleep(_STEP_SECONDS)
        left = {pid: birth for pid, birth in left.items() if lives(pid, birth)}
    for pid in groups:
        # The first may be gone, and others of its group not; nobody else gets its number so soon.
        signal_group(pid, signal.SIGKILL)
    deadline = time.monotonic() + seconds
    while left and time.monotonic() < deadline:
        time.sleep(_STEP_SECONDS)
        left = {pid: birth for pid, birth in left.items() if lives(pid, birth)}


def signal_group(pid: int, number: int) -> None:
    """Send a signal to all processes of a group; none are left: nothing."""
    with contextlib.suppress(OSError):
        os.killpg(pid, number)


def sweep(instances: Iterable[str]) -> int:
    """Kill what tasks of dead workers left running in sessions of its own; how many that was."""
    wanted = {b"CREW_INSTANCE=" + instance.encode() for instance in instances}
    killed = 0
    for pid in _all_pids():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                variables = set(file.read().split(b"\0"))
        except OSError:
            continue
        if wanted & variables and pid != os.getpid():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
    return killed


def use_of(sessions: Iterable[int]) -> dict[int, tuple[float, int]]:
    """Processor seconds and bytes of memory of all processes in each of these sessions."""
    wanted = set(sessions)
    used: dict[int, tuple[float, int]] = dict.fromkeys(wanted, (0.0, 0))
    tick, page = _units()
    for pid in _all_pids():
        fields = _stat(pid)
        if fields is None or int(fields[3]) not in wanted:
            continue
        seconds, size = used[int(fields[3])]
        seconds += (int(fields[11]) + int(fields[12])) / tick
        used[int(fields[3])] = (seconds, size + int(fields[21]) * page)
    return used


def ancestors() -> list[int]:
    """The processes above this one, the nearest first."""
    found: list[int] = []
    pid = os.getpid()
    while len(found) < 64:
        fields = _stat(pid)
        pid = 0 if fields is None else int(fields[1])
        if pid <= 1:
            break
        found.append(pid)
    return found


def name_of(pid: int) -> str:
    """What the system calls a process."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _all_pids() -> set[int]:
    if not _HAS_PROC:
        return set()
    return {int(entry) for entry in os.listdir("/proc") if entry.isdigit()}


def _stat(pid: int) -> list[str] | None:
    """The fields behind the name: state, parent, group, session, and so on."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def _birth_by_ps(pid: int) -> str | None:
    done = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    state, _, began = done.stdout.decode(errors="replace").strip().partition(" ")
    return None if not began or state.startswith("Z") else "-".join(began.split())


def _units() -> tuple[int, int]:
    return os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
