"""Commands between a launcher and a bed's, which refuse, lose answers and hide jobs when told.

They come first on PATH, and look for files of a folder that say what to do: ``refusals`` has a line
for each submission to come, ``lose``, ``hidden``, ``forgotten`` and ``down`` are there or not. They
write a line to ``submissions`` and ``queries`` for each.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from testbeds.bed import Bed


class CommandsBetween(ABC):
    """A scripted platform (see ``crew_core.testing``) that is a bed but for what it is told.

    Args:
        folder: where the commands look.
        bed: the scheduler itself.
        patch: puts the commands on PATH.

    Attributes:
        texts: of the commands, by their names; with places for the folder and for the real ones.
    """

    texts: ClassVar[Mapping[str, str]]

    def __init__(self, folder: Path, bed: Bed, patch: pytest.MonkeyPatch) -> None:
        self._folder = folder / "between"
        self._bed = bed
        self._held = False
        programs = self._folder / "bin"
        programs.mkdir(parents=True)
        real = {name: bed.ask("sh", "-c", f"command -v {name}").strip() for name in self.texts}
        for name, text in self.texts.items():
            (programs / name).write_text(text.format(folder=self._folder, **real))
            (programs / name).chmod(0o700)
        patch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")

    @property
    def submissions(self) -> list[int]:
        """How many workers each submission so far had."""
        return [int(line) for line in self._lines("submissions")]

    @property
    def queries(self) -> int:
        """How often the scheduler was asked about jobs."""
        return len(self._lines("queries"))

    @property
    @abstractmethod
    def unfinished(self) -> int:
        """How many jobs wait or run."""

    def hold(self) -> None:
        """Let new jobs wait in the queue."""
        self._held = True
        for host in self._bed.hosts():
            self._bed.drain(host)

    def release(self) -> None:
        """Start what waits, and hold no more."""
        for host in self._bed.hosts() if self._held else ():
            self._bed.restore(host)
        self._held = False

    def refuse(self, message: str, *, transient: bool, after: int = 0) -> None:
        """Refuse one submission, in these words, after so many that succeed."""
        line = self.refusal(message, transient=transient)
        (self._folder / "refusals").write_text("\n" * after + line + "\n")

    @abstractmethod
    def refusal(self, message: str, *, transient: bool) -> str:
        """The line from which the submitting command takes its words, and perhaps its exit code."""

    def lose_answer(self) -> None:
        """Take the next submission, and do not answer it."""
        (self._folder / "lose").touch()

    @property
    def loses(self) -> bool:
        """Whether the next answer will be lost, so that waiting long for it is in vain."""
        return (self._folder / "lose").exists()

    def hide(self) -> None:
        """Do not list the jobs that are there."""
        (self._folder / "hidden").touch()

    def show(self) -> None:
        """List jobs again."""
        (self._folder / "hidden").unlink()

    def forget(self) -> None:
        """List ended jobs no more."""
        (self._folder / "forgotten").touch()

    @abstractmethod
    def fail_queued(self) -> None:
        """Let jobs that wait end before they start."""

    @abstractmethod
    def cancel_all(self) -> None:
        """End all jobs, as an operator does."""

    def go_down(self) -> None:
        """Do not answer questions."""
        (self._folder / "down").touch()

    def come_up(self) -> None:
        """Answer questions again."""
        (self._folder / "down").unlink()

    def _lines(self, name: str) -> list[str]:
        path = self._folder / name
        return path.read_text().splitlines() if path.exists() else []
