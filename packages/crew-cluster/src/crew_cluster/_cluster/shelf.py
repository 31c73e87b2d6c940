"""Where the folders of submissions are: on a disk of this computer, here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crew_cluster._cluster.folder import Folder, prune, read_record, records, told_in
from crew_cluster._cluster.job import Handle


class Shelf:
    """The folders of all submissions of a user.

    Args:
        directory: where they are.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def directory(self) -> Path:
        """Where they are."""
        return self._directory

    def folder(self, path: Path) -> Folder:
        """One of them, there or not."""
        return Folder(path)

    def record(self, folder: Path) -> dict[str, Any]:
        """What was written down of a submission; empty lists where nothing was."""
        return read_record(folder)

    def records(self) -> list[tuple[Path, dict[str, Any]]]:
        """What was written down of all submissions, by their folders."""
        return records(self.directory)

    def told(self, folder: Path) -> dict[int, str] | None:
        """What jobs of a submission tell of themselves, by place; None: its folder is gone."""
        return told_in(folder)

    def prune(self) -> None:
        """Remove folders that nobody has touched for long."""
        prune(self.directory)

    def make_directory(self, path: Path) -> None:
        """Make a directory, and those above it, unless they are there.

        Raises:
            OSError: it cannot be made.
        """
        path.mkdir(parents=True, exist_ok=True)

    def withdraw(self, handles: Sequence[Handle]) -> None:
        """Take back the files of these workers: those that have not started never will."""
        places: dict[str, list[int]] = {}
        for handle in handles:
            places.setdefault(handle.folder, []).append(handle.place)
        for path, those in places.items():
            self.folder(Path(path)).withdraw(those)

    def tidy(self, handles: Sequence[Handle]) -> None:
        """These jobs are over: what nobody will read goes."""
        for handle in handles:
            self.folder(Path(handle.folder)).tidy(handle.place)
