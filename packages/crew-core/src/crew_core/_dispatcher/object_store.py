"""The pickled objects themselves, in memory up to a limit, the rest in files."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from crew_core._model.errors import CrewError
from crew_core._wire.notices import warn
from crew_core._wire.places import make_private
from crew_core._wire.spare import SpareDescriptor, lacks_descriptors


class ObjectStore:
    """Holds messages by digest. Those not used for longest are the first to go to files.

    Args:
        memory_bytes: what may stay in memory.
        directory: for the files, readable by the user alone; made when the first is written.
        spare: for files to be read when there are no descriptors left; owned from now on.
    """

    def __init__(
        self, memory_bytes: int, directory: str | os.PathLike[str], spare: SpareDescriptor
    ) -> None:
        self._memory_bytes = memory_bytes
        self._directory = Path(directory)
        self._in_memory: dict[bytes, memoryview] = {}  # the last one used comes last
        self._in_files: set[bytes] = set()
        self._spare = spare
        self._made = False  # the directory: what we have not made, we do not remove
        self._bytes = 0

    def put(self, digest: bytes, message: memoryview) -> None:
        """Keep a message."""
        self.drop([digest])
        self._in_memory[digest] = message
        self._bytes += len(message)
        for oldest in list(self._in_memory):
            if self._bytes <= self._memory_bytes or not self._spill(oldest):
                return

    def get(self, digest: bytes) -> memoryview | None:
        """A message; None when it is not here, or its file cannot be read."""
        message = self._in_memory.pop(digest, None)
        if message is not None:
            self._in_memory[digest] = message
            return message
        if digest not in self._in_files:
            return None
        try:
            return memoryview(self._read(self._path(digest)))
        except OSError as error:
            warn(f"an object of put() is lost: {error}")
            return None

    def drop(self, digests: list[bytes]) -> None:
        """Let go of these."""
        for digest in digests:
            self._bytes -= len(self._in_memory.pop(digest, b""))
            if digest in self._in_files:
                self._in_files.remove(digest)
                with contextlib.suppress(OSError):
                    self._path(digest).unlink()

    def close(self) -> None:
        """Let go of all, and remove the files."""
        self._in_memory.clear()
        self._spare.close()
        if self._made:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _spill(self, digest: bytes) -> bool:
        """Move one to a file. False when there is no room: it stays in memory."""
        message = self._in_memory[digest]
        try:
            make_private(self._directory.parent)
            self._directory.mkdir(mode=0o700, exist_ok=True)
            self._made = True
            _write(self._path(digest), message)
        except (OSError, CrewError) as error:
            warn(f"objects of put() stay in memory, as they cannot be written: {error}")
            with contextlib.suppress(OSError):
                self._path(digest).unlink()
            return False
        del self._in_memory[digest]
        self._bytes -= len(message)
        self._in_files.add(digest)
        return True

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            if not lacks_descriptors(error):
                raise
        with self._spare.used():
            return path.read_bytes()

    def _path(self, digest: bytes) -> Path:
        return self._directory / digest.hex()


def _write(path: Path, data: memoryview) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(fd, "wb") as file:
        file.write(data)
