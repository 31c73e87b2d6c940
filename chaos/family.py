"""The processes of one session, by what they are, and what is left when it is over."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from itertools import pairwise

import psutil

_MODULES = {
    "chaos.client": "client",
    "crew_core._dispatcher": "dispatcher",
    "crew_core._launcher.daemon": "daemon",
    "crew_core._worker": "supervisor",
}


@dataclass(frozen=True)
class Member:
    """One process.

    Attributes:
        kind: "client", "dispatcher", "daemon", "supervisor" or "task" (also what a task started).
        process: itself.
        instance: of a supervisor or a task process.
    """

    kind: str
    process: psutil.Process
    instance: str = ""


def members(controller: str) -> list[Member]:
    """The live processes of a controller; not those of the client that is its user."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            member = _member(process, controller)
            if member is not None:
                found.append(member)
    return found


def wait_until_gone(controller: str, seconds: float) -> list[str]:
    """What is left of a controller after so long; nothing as soon as nothing is."""
    deadline = time.monotonic() + seconds
    while (left := members(controller)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return [f"{member.kind} {member.process.pid}" for member in left]


def _member(process: psutil.Process, controller: str) -> Member | None:
    argv = process.cmdline()
    options = dict(pairwise(argv))
    if options.get("--controller") == controller:
        kind = _MODULES.get(options.get("-m", ""), "other")
        return Member(kind, process, options.get("--instance", ""))
    # Only who can have inherited it: to read all environments takes long.
    if process.name().startswith(("python", "crew")):
        environment = process.environ()
        if environment.get("CREW_CONTROLLER") == controller:
            return Member("task", process, environment.get("CREW_INSTANCE", ""))
    return None
