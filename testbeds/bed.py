"""What all testbeds have in common: up and down, what clients need, and what tests may turn."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from testbeds import places
from testbeds.errors import BedError, UnavailableError
from testbeds.processes import Processes

SETTINGS = "bed.json"
BY_HAND = "by hand"


class Bed(ABC):
    """A scheduler with its hosts, in one folder.

    Each kind adds a frozen dataclass of options, whose defaults suit a person at a prompt.

    Args:
        options: how it is to be; the kind's own dataclass.
        label: two beds of one kind and label are the same bed.
    """

    name: ClassVar[str]
    options_type: ClassVar[type[Any]]

    def __init__(self, options: Any = None, label: str = BY_HAND) -> None:
        self.label = label
        self.place = places.place_of(self.name, label)
        self.processes = Processes(self.place)
        self._settings: dict[str, Any] = {}
        self._options = options

    # ── Up and down ────────────────────────────────────────────────────────────────────────────

    @classmethod
    @abstractmethod
    def lacks(cls, options: Any = None) -> str | None:
        """What this machine is missing for it; None when it can be brought up."""

    @property
    def is_up(self) -> bool:
        """True from `up` to `down`."""
        return self.processes.are_held and (self.place / SETTINGS).exists()

    def up(self, *, while_we_live: bool = False) -> None:
        """Bring it up, and prove it with a job. Does nothing when it is up.

        Args:
            while_we_live: take it down when this process ends, however it ends.

        Raises:
            UnavailableError: this machine cannot.
            BedError: it did not come up.
        """
        if self.is_up:
            return
        if self.processes.are_held:
            told = f"the {self.name} testbed in {self.place} is just being brought up by another"
            raise BedError(f"{told} process: wait, or take it down")
        missing = self.lacks(self._options)
        if missing is not None:
            raise UnavailableError(f"the {self.name} testbed needs {missing}")
        self._prepare()
        with places.locked():
            self._clear_away()
            self.processes.hold()
        try:
            self._start()
            self._save()
            self._prove()
            if not while_we_live:
                self.processes.stay()
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """End all its processes and remove its folder; what a crash left behind too."""
        self.processes.end()
        self._settings = {}

    def status(self) -> dict[str, str]:
        """A line for each of its processes."""
        if not self.is_up:
            return {self.name: "down"}
        lines = {name: f"process {pid}" for name, pid in self.processes.alive().items()}
        return {self.name: f"up, in {self.place}", **lines}

    @classmethod
    def _clear_away(cls) -> None:
        """Remove what beds of this kind left behind whose keeper was killed."""
        for place in places.left_behind(cls.name):
            left = Processes(place)
            if not left.are_held:
                left.end()

    def _prepare(self) -> None:  # noqa: B027 - most need nothing
        """Have the software ready."""

    @abstractmethod
    def _start(self) -> None:
        """Start it, with its state in `place`; write down in `settings` what is not an option."""

    @abstractmethod
    def _prove(self) -> None:
        """Run a job through it."""

    # ── Its settings ───────────────────────────────────────────────────────────────────────────

    @property
    def options(self) -> Any:
        """Those it was brought up with, by whichever process that was."""
        if self._options is None:
            saved = self._read().get("options", {}) if self.is_up else {}
            self._options = self.options_type(**saved)
        return self._options

    @property
    def settings(self) -> dict[str, Any]:
        """What was settled when it came up: ports, addresses."""
        if not self._settings and self.is_up:
            self._settings = self._read()["settings"]
        return self._settings

    def _read(self) -> dict[str, Any]:
        return dict(json.loads((self.place / SETTINGS).read_text(encoding="utf-8")))

    def _save(self) -> None:
        saved = {"options": dataclasses.asdict(self.options), "settings": self._settings}
        (self.place / SETTINGS).write_text(json.dumps(saved), encoding="utf-8")

    # ── For clients ────────────────────────────────────────────────────────────────────────────

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """The variables that its commands need."""

    def enter(self, host: str) -> list[str]:
        """The prefix of a command that is to run on one of its hosts."""
        raise BedError(f"the {self.name} testbed has no hosts of its own, so not {host} either")

    def run(
        self,
        *command: str,
        stdin: str = "",
        folder: Path | None = None,
        seconds: float = 100,
    ) -> subprocess.CompletedProcess[str]:
        """Run one of its commands; whatever it answers."""
        return subprocess.run(
            command,
            input=stdin,
            cwd=folder,
            env={**os.environ, **self.environment()},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )

    def ask(self, *command: str, stdin: str = "", folder: Path | None = None) -> str:
        """Run one of its commands that must succeed; what it printed.

        Raises:
            BedError: it failed.
        """
        answer = self.run(*command, stdin=stdin, folder=folder)
        if answer.returncode != 0:
            told = (answer.stderr or answer.stdout).strip()
            raise BedError(f"{' '.join(command)} failed ({answer.returncode}): {told}")
        return answer.stdout.strip()

    # ── What tests may turn ────────────────────────────────────────────────────────────────────

    @abstractmethod
    def stop_scheduler(self) -> None:
        """Stop the daemon that clients talk to; jobs go on."""

    @abstractmethod
    def start_scheduler(self) -> None:
        """Start it again, with the jobs it knew."""

    @abstractmethod
    def hosts(self) -> Sequence[str]:
        """The names of those that run jobs."""

    @abstractmethod
    def drain(self, host: str) -> None:
        """Start no more jobs on a host; those on it go on."""

    @abstractmethod
    def restore(self, host: str) -> None:
        """Let a drained or failed host have jobs again."""

    @abstractmethod
    def refuse(self) -> None:
        """Reject every submission from now on."""

    @abstractmethod
    def accept(self) -> None:
        """Take submissions again."""
