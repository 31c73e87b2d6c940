"""Runs the jobs of a stand-in as processes, and holds them to their limits.

It is a daemon of its own, as on real nodes: jobs go on while the server is stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbeds import keeper

SOCKET = "mom.sock"

_TICK_SECONDS = 0.05
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass
class _Run:
    """One job that runs, or has ended and was not yet asked for.

    Attributes:
        ladder: the signals that are still to come, each with the wait after it.
        next_at: when the next of them is due.
        held_at: when it was last held to a limit that is looked at seldom, by the limit.
        left_over: when its top process ended, others of it lived.
    """

    process: subprocess.Popen[bytes]
    how: dict[str, Any]
    began: float
    ladder: list[list[float]] = field(default_factory=list)
    next_at: float = 0.0
    cause: str | None = None
    looked_at: float = 0.0
    held_at: dict[str, float] = field(default_factory=dict)
    memory: int = 0
    memory_most: int = 0
    left_over: bool = False
    ended: float | None = None


def processes() -> list[tuple[int, int, int, int]]:
    """The number, process group, session and parent of every live process."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                fields = Path(f"/proc/{entry}/stat").read_text(encoding="utf-8", errors="replace")
                state, parent, group, session = fields.rpartition(")")[2].split()[:4]
                if state not in "ZX":
                    found.append((int(entry), int(group), int(session), int(parent)))
    return found


class Mom:
    """The jobs of one node."""

    def __init__(self) -> None:
        self._runs: dict[str, _Run] = {}
        self._lock = threading.Lock()
        self._seen: list[tuple[int, int, int, int]] = []
        self._seen_at = 0.0

    # ── Requests ───────────────────────────────────────────────────────────────────────────────

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what the server asks."""
        with self._lock:
            match request["do"]:
                case "start":
                    return self._start(request["job"], request["how"])
                case "kill":
                    run = self._runs.get(request["job"])
                    if run is not None and run.ended is None:
                        self._begin_ladder(run, request["ladder"], request.get("cause"))
                case "signal":
                    run = self._runs.get(request["job"])
                    if run is not None:
                        self._signal(run, request["signal"])
                case "forget":
                    for job in request["jobs"]:
                        self._runs.pop(job, None)
                case "look":
                    return {"runs": {job: self._told(run) for job, run in self._runs.items()}}
        return {}

    def _start(self, job: str, how: dict[str, Any]) -> dict[str, Any]:
        """Start a job, unless it was started: the server may have been stopped meanwhile."""
        if job in self._runs:
            return {}
        other: dict[str, Any] = {}
        if how.get("uid", os.getuid()) != os.getuid():
            other = {"user": how["uid"], "group": how["gid"], "extra_groups": []}
        environment = {
            name.encode("latin-1"): value.encode("latin-1") for name, value in how["env"].items()
        }
        folder = how["cwd"] if Path(how["cwd"]).is_dir() else how.get("cwd_instead", "/")
        with open(how["out"], "ab") as out, open(how["err"], "ab") as err:
            try:
                process = subprocess.Popen(
                    how["argv"],
                    executable=how.get("executable"),
                    env=environment,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,
                    **other,
                )
            except OSError as error:
                return {"error": str(error)}
        self._runs[job] = _Run(process, how, time.time())
        return {"pid": process.pid}

    def _told(self, run: _Run) -> dict[str, Any]:
        return {
            "pid": run.process.pid,
            "began": run.began,
            "ended": run.ended,
            "code": run.process.returncode,
            "cause": run.cause,
            "memory": run.memory_most,
            "memory_now": run.memory,
        }

    # ── What happens by itself ─────────────────────────────────────────────────────────────────

    def tick(self) -> None:
        """Look at all that run."""
        now = time.time()
        with self._lock:
            for run in self._runs.values():
                if run.ended is None:
                    self._tick(run, now)

    def _tick(self, run: _Run, now: float) -> None:
        if now - run.looked_at >= run.how["look_seconds"]:
            run.looked_at = now
            self._hold_to_limits(run, now)
        if run.ladder and now >= run.next_at:
            number, wait = run.ladder.pop(0)
            run.next_at = now + wait
            self._signal(run, int(number))
        was_alive = run.process.returncode is None
        if run.process.poll() is None:
            return
        left = self._members(run)
        if was_alive:
            run.left_over = bool(left)
        if self._is_over(run, left, now):
            run.ended = now

    def _is_over(self, run: _Run, left: set[int], now: float) -> bool:
        """Its top process has ended. Whether the job has: each kind counts in its own way."""
        if run.how["leftovers"] == "wait":
            return not left
        if run.cause is not None and run.left_over and (run.ladder or now < run.next_at):
            return False  # it is being killed, and lasts as long as that does
        keeper.kill(left, signal.SIGKILL)
        return True

    def _hold_to_limits(self, run: _Run, now: float) -> None:
        run.memory = self._memory(run)
        run.memory_most = max(run.memory_most, run.memory)
        if run.cause is not None:
            return
        limits = run.how.get("limits", {})
        for name, used in (("walltime", now - run.began), ("memory", run.memory)):
            limit = limits.get(name)
            if limit is not None and self._is_due(run, name, now) and used > limit["at"]:
                if limit.get("say"):
                    say = limit["say"].format(used=int(used), used_kb=int(used) >> 10)
                    with open(run.how["err"], "ab") as err:
                        err.write(say.encode() + b"\n")
                self._begin_ladder(run, limit["ladder"], name)
                return

    def _is_due(self, run: _Run, name: str, now: float) -> bool:
        """True when a limit is to be looked at."""
        if now - run.held_at.get(name, run.began) < run.how["limits"][name].get("each", 0):
            return False
        run.held_at[name] = now
        return True

    def _memory(self, run: _Run) -> int:
        now = time.monotonic()
        if now - self._seen_at > _TICK_SECONDS:  # all jobs that are looked at now share one look
            self._seen, self._seen_at = processes(), now
        total = 0
        for pid in _with_descendants(self._members(run, self._seen), self._seen):
            with contextlib.suppress(OSError, IndexError, ValueError):
                pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
                total += int(pages) * _PAGE_BYTES
        return total

    def _begin_ladder(self, run: _Run, ladder: list[list[float]], cause: str | None) -> None:
        run.cause = run.cause or cause
        run.ladder = [list(step) for step in ladder]
        run.next_at = 0.0

    def _signal(self, run: _Run, number: int) -> None:
        # Who starts others is first: it must not see them end and draw its own conclusions.
        top = run.process.pid
        keeper.kill(sorted(self._members(run), key=lambda pid: pid != top), number)

    def _members(self, run: _Run, seen: list[tuple[int, int, int, int]] | None = None) -> set[int]:
        which = 2 if run.how["scope"] == "session" else 1
        alive = processes() if seen is None else seen
        return {one[0] for one in alive if one[which] == run.process.pid}


def _with_descendants(members: set[int], alive: list[tuple[int, int, int, int]]) -> set[int]:
    """These and their children, whatever group these have made their own."""
    found = new = set(members)
    while new:
        new = {one[0] for one in alive if one[3] in found} - found
        found = found | new
    return found


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in self.rfile:
                answer = self.server.mom.answer(json.loads(line))  # type: ignore[attr-defined]
                self.wfile.write(json.dumps(answer).encode() + b"\n")


def main() -> None:
    """Run jobs for the server whose folder the command line names."""
    path = Path(sys.argv[1], SOCKET)
    path.unlink(missing_ok=True)
    mom = Mom()
    server = socketserver.ThreadingUnixStreamServer(str(path), _Handler)
    server.daemon_threads = True
    server.mom = mom  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while True:
        mom.tick()
        time.sleep(_TICK_SECONDS)


if __name__ == "__main__":
    main()
