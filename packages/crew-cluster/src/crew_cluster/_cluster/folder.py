"""The folder of a submission: its script, its workers' private files, what the scheduler printed.

::

    <state directory>/scripts/crew-example-1f0c/
        script.sh          what is submitted; holds no secret
        1, 2, 3            command line and secret of each worker that has not started: 0600
        1.out, 2.out       what jobs print
        1.told, 2.told     what jobs tell of themselves, where the scheduler does not
        job.json           whose it is, for who cleans up

Workers take their own files away. What is left of them goes when their jobs are ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from crew_core.plugins import ConfigError, LaunchError, state_directory

SCRIPT = "script.sh"
RECORD = "job.json"
OUTPUT_SUFFIX = ".out"
TOLD_SUFFIX = ".told"

OUTPUT_DAYS = 14
"""Output of jobs is kept this long."""

_TAIL_BYTES = 64 * 1024
_PRIVATE = 0o700


def scripts_directory(given: str | os.PathLike[str] | None) -> Path:
    """Where folders of submissions are: where the user says, or under the state directory.

    Raises:
        ConfigError: its path cannot stand in a script's directive.
    """
    if given is not None:
        directory = Path(given).expanduser().absolute()
    else:
        directory = state_directory() / "scripts"
    if not str(directory).isprintable():
        raise ConfigError(f"script_directory={str(directory)!r}: must be printable characters")
    return directory


class Folder:
    """The files of one submission.

    Args:
        path: where they are, or will be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def script(self) -> Path:
        """The job script."""
        return self.path / SCRIPT

    def make(self, starts: Sequence[str]) -> None:
        """Make the folder, with a private file for each worker, which holds one of these texts.

        Raises:
            LaunchError: the disk does not take it; or it is there, and somebody else's.
        """
        try:
            _make_private(self.path)
        except OSError as error:
            raise self._cannot_write(error) from error
        try:
            for place, text in enumerate(starts, start=1):
                self._keep(str(place), text)
        except BaseException:
            self.remove()
            raise

    def write_script(self, text: str) -> None:
        """Write what is submitted.

        Raises:
            LaunchError: the disk does not take it.
        """
        self._keep(SCRIPT, text)

    def write_record(self, facts: dict[str, Any]) -> None:
        """Write down whose job this is.

        Raises:
            LaunchError: the disk does not take it.
        """
        self._keep(RECORD, json.dumps(facts, indent=1) + "\n")

    def output(self, place: int) -> str | None:
        """The last output of a job, as far as it is kept here; None when there is none."""
        try:
            with open(self.path / f"{place}{OUTPUT_SUFFIX}", "rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - _TAIL_BYTES))
                return file.read().decode(errors="replace")
        except OSError:
            return None

    def withdraw(self, places: Iterable[int]) -> None:
        """Take back these workers' files: those that have not started never will."""
        for place in places:
            for name in (str(place), f"{place}.taken"):
                with contextlib.suppress(OSError):
                    (self.path / name).unlink()

    def tidy(self, place: int) -> None:
        """A job is over: what nobody will read goes, and the folder with the last of it."""
        self.withdraw([place])
        output = self.path / f"{place}{OUTPUT_SUFFIX}"
        with contextlib.suppress(OSError):
            if not output.stat().st_size:
                output.unlink()
        with contextlib.suppress(OSError):
            if all(_is_of_all(entry.name) for entry in self.path.iterdir()):
                self.remove()

    def remove(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _keep(self, name: str, text: str) -> None:
        try:
            self._write(name, text)
        except OSError as error:
            raise self._cannot_write(error) from error

    def _write(self, name: str, text: str) -> None:
        """Write a new file that nobody else may read."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        descriptor = os.open(self.path / name, flags, 0o600)
        with open(descriptor, "wb") as file:
            # Paths may hold bytes that are no text.
            file.write(text.encode(errors="surrogateescape"))

    def _cannot_write(self, error: OSError) -> LaunchError:
        return LaunchError(
            f"cannot write the job's files to {self.path}: {error.strerror}. Make room, or choose "
            "a directory that the compute nodes see with script_directory="
        )


def read_record(folder: Path) -> dict[str, Any]:
    """What was written down of a submission; empty lists where nothing was."""
    try:
        return record_of((folder / RECORD).read_bytes())
    except OSError:
        return record_of(b"")


def record_of(text: bytes) -> dict[str, Any]:
    """What a submission's record says; empty lists where it says nothing. Pure."""
    record: dict[str, Any] = {"controller": None, "job": None, "names": [], "instances": []}
    try:
        read = json.loads(text)
    except ValueError:
        return record
    if isinstance(read, dict):
        record |= {key: read[key] for key in record if isinstance(read.get(key), str | list)}
    return record


def records(directory: Path) -> list[tuple[Path, dict[str, Any]]]:
    """What was written down of all submissions, by their folders."""
    try:
        folders = sorted(path for path in directory.iterdir() if (path / RECORD).is_file())
    except OSError:
        return []
    return [(folder, read_record(folder)) for folder in folders]


def told_in(folder: Path) -> dict[int, str] | None:
    """What jobs of a submission tell of themselves, by place; None: its folder is gone."""
    if not folder.is_dir():
        return None
    found = {}
    for path in folder.glob(f"*{TOLD_SUFFIX}"):
        with contextlib.suppress(OSError, ValueError):
            found[int(path.name.removesuffix(TOLD_SUFFIX))] = path.read_text(errors="replace")
    return found


def prune(directory: Path) -> None:
    """Remove folders that nobody has touched for long."""
    limit = time.time() - OUTPUT_DAYS * 86400
    with contextlib.suppress(OSError):
        for entry in directory.iterdir():
            with contextlib.suppress(OSError):
                if entry.is_dir() and not entry.is_symlink() and entry.stat().st_mtime < limit:
                    shutil.rmtree(entry, ignore_errors=True)


def _is_of_all(name: str) -> bool:
    """True for a file that nobody needs when no worker is left."""
    return name in (SCRIPT, RECORD) or name.endswith(TOLD_SUFFIX)


def _make_private(directory: Path) -> None:
    """Make a directory and those above it that are missing, for the user alone."""
    for missing in [path for path in directory.parents if not path.is_dir()][::-1]:
        missing.mkdir(mode=_PRIVATE, exist_ok=True)
    # Not one that is there already: somebody else may have made it.
    directory.mkdir(mode=_PRIVATE)
