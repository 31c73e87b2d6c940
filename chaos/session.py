"""One session under fire: a client and its processes, what they did, and what they left."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from chaos import checks, clock, family
from chaos.client import Plan, to_json
from chaos.room import NEAR, Room
from chaos.struck import Struck

ROOT = Path(__file__).resolve().parent.parent

LEFT_SECONDS = 30.0
"""How long whatever is left of a session may take to leave: ten seconds, on a busy machine."""

FAR_SECONDS = 75.0
"""The same for workers over a network, which wait thirty seconds for their dispatcher."""

HEARTBEAT_SECONDS = 12.0

_NOISE = ("lost+found", "filler", "faketime", "sem.faketime")


class NobodyError(Exception):
    """There is nobody to strike at the moment."""


class Session:
    """A client that works off tasks, with its room.

    Args:
        name: of the controller.
        folder: an empty folder.
        numbers: first and stop of the tasks.
        network: workers come over a network, from another namespace.
        apart: it has namespaces.
        workers: how many.
        per_second: how many tasks are pushed.
        processes: launch daemons.
        may_die: its dispatcher and its client may be killed.
        dice: what is drawn.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        numbers: tuple[int, int],
        *,
        network: bool,
        apart: bool,
        workers: int,
        per_second: float,
        processes: int | None,
        may_die: bool,
        dice: random.Random,
    ) -> None:
        self.name = name
        self.folder = folder
        self.numbers = range(*numbers)
        self.struck = Struck()
        self.may_die = may_die
        self.dice = dice
        self.problems: list[str] = []
        self.memory: dict[tuple[str, int], list[int]] = {}
        self._workers = workers
        self._per_second = per_second
        self._processes = processes
        self._lives = 0
        self._progress_before = 0  # when its client was started
        self.room = Room(folder, apart=apart, network=network)
        self.clocks = {
            who: clock.Clock(folder / f"clock-{who}") for who in ("client", "dispatcher", "worker")
        }
        self.prefix: list[str] = []
        self.set_prefix()
        self._errors = (folder / "client.stderr").open("ab")
        self.client = self._start([numbers])

    # ── Who there is ───────────────────────────────────────────────────────────────────────────

    @property
    def over(self) -> bool:
        """True when the client has ended."""
        return self.client.poll() is not None

    @property
    def has_daemons(self) -> bool:
        """True when its workers are started by launch daemons."""
        return self._processes is not None

    def members(self, kind: str) -> list[family.Member]:
        """Its live processes of one kind."""
        return [member for member in family.members(self.name) if member.kind == kind]

    def one(self, kind: str) -> family.Member:
        """One of them, at random.

        Raises:
            NobodyError: there is none.
        """
        found = sorted(self.members(kind), key=lambda member: member.process.pid)
        if not found:
            raise NobodyError(f"no {kind}")
        return self.dice.choice(found)

    def task_processes(self, instance: str) -> list[psutil.Process]:
        """The task process of one worker, if it has one just now."""
        return [m.process for m in self.members("task") if m.instance == instance]

    def strike_all(self) -> None:
        """All workers that there are may be lost, with what they do."""
        self.struck.instances.update(member.instance for member in self.members("supervisor"))

    # ── What is done to it ─────────────────────────────────────────────────────────────────────

    def set_prefix(self, *command: str) -> None:
        """Start workers under this command from now on, at the far end of the network if any."""
        new = self.folder / "prefix.new"
        new.write_text(json.dumps([*self.room.enter_far_side(), *command]), encoding="utf-8")
        new.replace(self.folder / "prefix.json")

    def begin_again(self) -> None:
        """Start another client, with what the dead one has not got back."""
        self.client.wait()
        done = {int(str(r["name"]).partition(".")[0]) for r in checks.read_records(self.folder)}
        self.client = self._start(_ranges([n for n in self.numbers if n not in done]))

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run crew's command line as the session's user would."""
        return subprocess.run(
            [*self.room.enter(), sys.executable, "-m", "crew_core", *arguments],
            env=self._environment(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    # ── How it goes ────────────────────────────────────────────────────────────────────────────

    def progress(self) -> int:
        """How much was written of its records so far."""
        path = self.folder / "records.jsonl"
        return path.stat().st_size if path.exists() else 0

    def goes_on(self, since: int, seconds: float) -> bool:
        """Wait until a further record came, or it is over."""
        deadline = time.monotonic() + seconds
        while self.progress() <= since and not self.over:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def measure(self) -> None:
        """Note the memory of its client and its dispatcher, once both have come up."""
        if self.progress() <= self._progress_before:
            return
        for kind in ("client", "dispatcher"):
            for member in self.members(kind) if kind != "client" else self._client():
                try:
                    resident = member.process.memory_info().rss
                except psutil.Error:
                    continue
                self.memory.setdefault((kind, member.process.pid), []).append(resident)

    def left_over(self, seconds: float | None = None) -> list[str]:
        """Processes and files that are there although no client is."""
        if seconds is None:
            seconds = FAR_SECONDS if self.room.has_network else LEFT_SECONDS
        left = family.wait_until_gone(self.name, seconds)
        return [*left, *self._files()]

    def close(self) -> None:
        """End whatever there still is, and leave the room."""
        for member in family.members(self.name):
            try:
                member.process.kill()
            except psutil.Error:
                continue
        self.client.kill()
        self.client.wait()
        self._errors.close()
        self.room.close()
        clock.sweep()

    def last_words(self) -> str:
        """The end of what the client printed."""
        text = (self.folder / "client.stderr").read_text(errors="replace")
        return text.strip()[-1500:]

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _client(self) -> list[family.Member]:
        try:
            return [family.Member("client", psutil.Process(self.client.pid))]
        except psutil.Error:
            return []

    def _start(self, numbers: Sequence[tuple[int, int]]) -> subprocess.Popen[bytes]:
        plan = Plan(
            name=self.name,
            folder=str(self.folder),
            numbers=list(numbers),
            run=1000 * self._lives,
            workers=self._workers,
            per_second=self._per_second,
            seconds_heartbeat=HEARTBEAT_SECONDS,
            host=NEAR if self.room.has_network else None,
            processes=self._processes,
        )
        self._lives += 1
        self._progress_before = self.progress()
        variables = [f"{k}={v}" for k, v in self.clocks["client"].environment().items()]
        client = subprocess.Popen(
            # The variables are for the client alone, and not for who enters the room.
            [*self.room.enter(), "env", *variables, sys.executable, "-m", "chaos.client"],
            env=self._environment(),
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            start_new_session=True,
        )
        assert client.stdin is not None
        client.stdin.write(to_json(plan).encode())
        client.stdin.close()
        return client

    def _environment(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("CREW_")}
        paths = [str(ROOT), str(clock.SLEEPING), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {**kept, **self.room.environment(), "PYTHONPATH": os.pathsep.join(paths)}

    def _files(self) -> list[str]:
        places = {
            "run/crew": self.room.path(self.folder / "run" / "crew"),
            "spill": self.room.path(self.folder / "spill"),
            "/dev/shm": self.room.path("/dev/shm"),
        }
        if not self.room.is_apart:
            del places["/dev/shm"]  # there are others'
        found = []
        for name, place in places.items():
            for path in place.rglob("*") if place.is_dir() else ():
                is_base = path.is_dir() and path.parent == place and name != "run/crew"
                if not is_base and not path.name.startswith(_NOISE):
                    found.append(f"{name}/{path.relative_to(place)}")
        return found


def _ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Sorted numbers as runs, each from its first to before its stop."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number:
            found[-1] = (found[-1][0], number + 1)
        else:
            found.append((number, number + 1))
    return found


def signal_all(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to those of these processes that are still there."""
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.Error:
            continue
