"""Our hands on a host: does what it is asked on standard input, answers on standard output.

A line of JSON each way, with a number that tells which answer belongs to what. It ends with its
standard input; the workers that it has started go on.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import platform
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from crew_ssh._remote import commands, installing, links, processes, reaching, relays, starting
from crew_ssh._remote.folders import Place

MARK = "crew-agent"
"""Begins the first line that is ours; what a login shell printed is before it."""

_CHECK_SECONDS = 60.0
_PIECE_BYTES = 256 * 1024

_CHECK = """\
import sys, importlib.metadata as m
import crew_core
sys.stdout.write("crew-core " + m.version("crew-core"))
"""


class Agent:
    """Does what it is asked.

    Args:
        token: the name of this connection.
        run_directory: where workers' files are; None: the usual place.
    """

    def __init__(self, token: str, run_directory: str | None) -> None:
        self._token = token
        self._writing = threading.Lock()
        self.place = Place(run_directory)
        links.note_link(self.place, token)
        self._deeds: dict[str, Callable[..., Any]] = {
            "check": self.check,
            "start": self.start,
            "poll": self.poll,
            "end": self.end,
            "output": self.output,
            "mirror": self.mirror,
            "rows": self.rows,
            "find": self.find,
            "reach": reaching.reachable,
            "run": commands.run,
            "relay": relays.relay,
            "end_link": self.end_link,
            "environment": self.environment,
            "take": self.take,
            "install": self.install,
            "forget": self.forget,
        }

    def run(self) -> None:
        """Serve until standard input ends."""
        self._say({"hello": self.hello()})
        for line in sys.stdin.buffer:
            request = json.loads(line)
            threading.Thread(target=self._answer, args=(request,), daemon=True).start()
        links.forget_link(self.place, self._token)

    def _answer(self, request: dict[str, Any]) -> None:
        number = request.pop("id")
        try:
            answer = {"id": number, "value": self._deeds[request.pop("do")](**request)}
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            answer = {"id": number, "error": f"{type(error).__name__}: {error}"}
        self._say(answer)

    def _say(self, message: dict[str, Any]) -> None:
        with self._writing, contextlib.suppress(OSError):
            sys.stdout.write(json.dumps(message) + "\n")
            sys.stdout.flush()

    # ── What it can do ─────────────────────────────────────────────────────────────────────────

    def hello(self) -> dict[str, Any]:
        """What this host is like."""
        self.place.prune()
        return {
            "python": platform.python_version(),
            "executable": sys.executable,
            "cpus": _cpus(),
            "host": socket.gethostname(),
            "system": platform.system(),
            "machine": platform.machine(),
            "libc": platform.libc_ver(),
            "pid": os.getpid(),
            "run_directory": self.place.path,
        }

    def check(self, python: str, env: dict[str, str]) -> dict[str, Any]:
        """Whether an interpreter has crew: its version, or what it said instead."""
        done = subprocess.run(
            [python, "-c", _CHECK],
            env={**os.environ, **env, "PYTHONSAFEPATH": "1"},
            cwd=os.path.expanduser("~"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_CHECK_SECONDS,
            check=False,
        )
        told = done.stdout.decode(errors="replace")
        version = told.rpartition("crew-core ")[2].strip() if done.returncode == 0 else None
        return {"crew": version, "said": done.stderr.decode(errors="replace")[-2000:]}

    def start(
        self, site: str, controller: str, slots: int, workers: list[dict[str, Any]]
    ) -> list[Any]:
        """Start workers."""
        return starting.start(self.place, site, controller, slots, workers)

    def poll(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """How workers are."""
        starting.reap()
        return [self.place.worker(name).state() for name in names]

    def end(self, names: Sequence[str], seconds_to_leave: float) -> None:
        """End workers and all that their tasks started."""
        groups: dict[int, str] = {}
        instances = set()
        for name in names:
            folder = self.place.worker(name)
            known = folder.known_process()
            if known is None:
                continue
            instances.add(str(folder.facts().get("instance")))
            if processes.lives(*known):
                folder.write("told", "")
                groups[known[0]] = known[1]
        reaper = threading.Thread(target=_reap_for, args=(2 * seconds_to_leave,), daemon=True)
        reaper.start()
        processes.end_groups(groups, seconds_to_leave)
        if instances:
            processes.sweep(instances)
        starting.reap()

    def output(self, name: str) -> str:
        """The last of what a worker printed."""
        return self.place.worker(name).output()

    def mirror(self, known: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
        """What came to logs since.

        Args:
            known: by worker, how much is known of each of its log's files.
        """
        pieces: list[dict[str, Any]] = []
        for name, sizes in known.items():
            folder = self.place.worker(name)
            with contextlib.suppress(OSError):
                for file in sorted(os.listdir(folder.path)):
                    if file.startswith("log"):
                        piece = _piece(folder.file(file), sizes.get(file, 0))
                        if piece is not None:
                            pieces.append({"name": name, "file": file, **piece})
        return pieces

    def rows(self) -> list[dict[str, Any]]:
        """All workers of this user here, for a person."""
        starting.reap()
        found = [
            {
                "name": folder.name,
                "pid": (folder.known_process() or (None,))[0],
                **folder.facts(),
                **folder.state(),
            }
            for folder in self.place.workers()
        ]
        running = [row for row in found if row["state"] == "running"]
        used = processes.use_of(row["pid"] for row in running)
        for row in found:
            row["cpu"], row["memory"], row["age"] = None, None, None
        for row in running:
            row["cpu"], row["memory"] = used[row["pid"]]
            row["age"] = time.time() - row["since"]
        return found

    def find(self, site: str, names: Sequence[str]) -> list[str]:
        """Which of these workers have been here by this name of the host."""
        return [name for name in names if self.place.worker(name).facts().get("site") == site]

    def end_link(self, token: str) -> bool:
        """End an earlier connection of ours that this host still believes in."""
        return links.end_link(self.place, token)

    def environment(self, key: str, python: str) -> str | None:
        """The interpreter of an environment that was made before."""
        return installing.environment(self.place, key, python)

    def take(self, key: str, at: int, data: str) -> None:
        """Take a piece of an archive."""
        installing.take(self.place, key, at, data)

    def install(self, key: str, python: str) -> str:
        """Make an environment of it; its interpreter."""
        return installing.install(self.place, key, python)

    def forget(self, names: Sequence[str]) -> None:
        """Remove what is left of workers that have ended."""
        for name in names:
            folder = self.place.worker(name)
            if folder.process() is None:
                folder.remove()


def _piece(path: str, known: int) -> dict[str, Any] | None:
    """What a file holds beyond what is known; from its start if it is another file by now."""
    size = os.stat(path).st_size
    if size == known:
        return None
    begin = known if size > known else 0
    with open(path, "rb") as file:
        file.seek(begin)
        data = file.read(_PIECE_BYTES)
    return {"at": begin, "data": base64.b64encode(data).decode("ascii")}


def _reap_for(seconds: float) -> None:
    """Our own children stay visible until somebody takes notice of their ends."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        starting.reap()
        time.sleep(0.05)


def _cpus() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def main(token: str, run_directory: str | None) -> None:
    """Be an agent, until nobody asks any more."""
    os.umask(0o077)
    os.chdir("/")
    sys.stdout.write(f"{MARK} {token}\n")
    sys.stdout.flush()
    try:
        agent = Agent(token, run_directory)
    except OSError as error:
        sys.stdout.write(json.dumps({"refused": str(error)}) + "\n")
        sys.stdout.flush()
        return
    agent.run()
    os._exit(0)  # threads may still be waiting for workers' ends
