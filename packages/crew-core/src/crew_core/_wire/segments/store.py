"""Segments: written once, mapped by whoever gets their name, used again when nobody maps them.

A segment holds the large buffers of one pickle. Its writer copies them in, and gives the name to
another process together with the message. The reader maps it privately: it may write to what it
sees, and nobody else sees that. Pages that were used before are much faster to write to than new
ones, so a segment that nobody maps any more is put aside, and the next writer, whichever process
that is, takes it from there. Renaming a file is what hands it over: of several who want the same,
one gets it. ::

    <writer>.<n>.part      being written: whoever is left removes it when the writer dies
    <writer>.<n>           in use
    free/<bytes>-<n>       put aside

``recycle`` must be called only when nobody maps the segment, in this or any other process: its
pages will change. ``discard`` is right at any time: mappings live on.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import weakref
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mmap

MAPPED_MOST = 128
"""Segments that a process maps at once: each may take a file descriptor. Others are copied."""

FREE = "free"
"""The folder of segments that are put aside."""

_ALIGNMENT = 64  # what vector instructions like
_PART = ".part"
_WRITE_MOST = 1 << 30  # by one call, which the system limits to a bit less than twice that
_LEFT_FREE = 4  # the part of the memory for such files that is left to others
_PUT_ASIDE_MOST = 8  # the part of it that segments put aside may take
_PUT_ASIDE_FILES = 64
_WASTE_MOST = 4  # times the bytes that are wanted, of a segment that is taken from there


class SegmentStore:
    """The segments of one directory, as one process writes, reads and frees them.

    Nothing here takes a lock: the garbage collector may call it at any moment. In a forked child
    it does nothing: what is here is the parent's.

    Args:
        directory: where they are.
        writer: what the names of ours begin with; nobody else's do.
    """

    def __init__(self, directory: str, writer: str) -> None:
        self.directory = directory
        self._writer = writer
        self._free = os.path.join(self.directory, FREE)
        self._numbers = itertools.count()
        self._mapped: set[str] = set()
        self._pid = os.getpid()

    @property
    def is_elsewhere(self) -> bool:
        """True in a forked child of the process that made this."""
        return os.getpid() != self._pid

    def write(self, buffers: Sequence[memoryview]) -> str | None:
        """Copy buffers into a segment. It is nobody else's before ``publish``.

        Returns:
            Its name; None when there is no room.
        """
        if self.is_elsewhere:
            return None
        name = f"{self._writer}.{next(self._numbers)}"
        path = self._path(name) + _PART
        try:
            if not self._take_free(path, length([b.nbytes for b in buffers])):
                return None
            _write(path, buffers)
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.unlink(path)
            if isinstance(error, OSError):
                return None
            raise
        return name

    def publish(self, name: str) -> None:
        """What was written is whole, and is about to be given away."""
        path = self._path(name)
        with contextlib.suppress(OSError):  # the directory is gone: so is who wanted it
            os.rename(path + _PART, path)

    def withdraw(self, name: str) -> None:
        """What was written will not be published."""
        self.discard(name + _PART)

    @property
    def may_map(self) -> bool:
        """False when so many segments are mapped here that further ones are to be copied."""
        return len(self._mapped) < MAPPED_MOST

    def map_or_read(self, name: str, size: int) -> mmap.mmap | bytearray:
        """A segment's bytes: mapped, or a copy if that would be one mapping too many.

        Raises:
            OSError: it is gone, or cannot be mapped.
        """
        return self.map(name, size) if self.may_map else self.read(name, size)

    def map(self, name: str, size: int) -> mmap.mmap:
        """Map a segment. It stays mapped for as long as anything refers to the mapping's bytes.

        Raises:
            OSError: it is gone, or cannot be mapped.
        """
        found = self._map(name, size)
        self._mapped.add(name)
        end = weakref.finalize(found, self._mapped.discard, name)
        end.atexit = False
        return found

    def _map(self, name: str, size: int) -> mmap.mmap:
        import mmap

        fd = os.open(self._path(name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            if sys.version_info >= (3, 13):
                return mmap.mmap(fd, size, access=mmap.ACCESS_COPY, trackfd=False)
            return mmap.mmap(fd, size, access=mmap.ACCESS_COPY)
        finally:
            os.close(fd)

    def read(self, name: str, size: int) -> bytearray:
        """A copy of a segment's bytes.

        Raises:
            OSError: it is gone.
        """
        found = bytearray(size)
        with memoryview(found) as view, open(self._path(name), "rb", buffering=0) as file:
            position = 0
            while position < size:
                count = file.readinto(view[position:])
                if not count:
                    raise OSError(f"segment {name} ends after {position} of {size} bytes")
                position += count
        return found

    def size(self, name: str) -> int:
        """How many bytes a segment has, used or not.

        Raises:
            OSError: it is gone.
        """
        return os.stat(self._path(name)).st_size

    def recycle(self, name: str) -> None:
        """Put a segment aside that nobody maps."""
        if self.is_elsewhere:
            return
        path = self._path(name)
        with contextlib.suppress(OSError):
            size = os.stat(path).st_size
            aside = [found for found, _ in self._put_aside()]
            most = _memory(self.directory)[0] // _PUT_ASIDE_MOST
            if sum(aside) + size > most or len(aside) >= _PUT_ASIDE_FILES:
                os.unlink(path)
            else:
                os.rename(path, os.path.join(self._free, f"{size}-{os.urandom(8).hex()}"))

    def discard(self, name: str) -> None:
        """Remove a segment. Who maps it keeps what it sees."""
        if not self.is_elsewhere:
            with contextlib.suppress(OSError):
                os.unlink(self._path(name))

    def discard_parts(self, prefix: str) -> None:
        """Remove what these writers, which are dead, did not finish."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self.directory):
                if name.startswith(prefix) and name.endswith(_PART):
                    self.discard(name)

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _take_free(self, path: str, size: int) -> bool:
        """Make a file that can hold so many bytes, at best of warm pages. False: no room."""
        for found, name in sorted(self._put_aside()):
            if size <= found <= size * _WASTE_MOST:
                with contextlib.suppress(OSError):  # another was quicker
                    os.rename(os.path.join(self._free, name), path)
                    return True
        total, available = _memory(self.directory)
        if available - size < total // _LEFT_FREE:
            return False
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        return True

    def _put_aside(self) -> Iterator[tuple[int, str]]:
        """Sizes and names of what is put aside."""
        for name in os.listdir(self._free):
            size, _, _ = name.partition("-")
            if size.isdecimal():
                yield int(size), name

    def _path(self, name: str) -> str:
        if os.path.basename(name) != name:
            raise FileNotFoundError(f"{name!r} is no segment")
        return os.path.join(self.directory, name)


def offsets(sizes: Sequence[int]) -> list[int]:
    """Where in a segment buffers of these sizes begin."""
    found, position = [], 0
    for size in sizes:
        found.append(position)
        position += -(-size // _ALIGNMENT) * _ALIGNMENT
    return found


def length(sizes: Sequence[int]) -> int:
    """How many bytes of a segment they take."""
    return offsets(sizes)[-1] + sizes[-1]


def split(whole: mmap.mmap | bytearray, sizes: Sequence[int]) -> list[memoryview]:
    """The buffers in a segment."""
    view = memoryview(whole)
    return [view[at : at + size] for at, size in zip(offsets(sizes), sizes, strict=True)]


def _write(path: str, buffers: Sequence[memoryview]) -> None:
    # Written and not mapped: a full memory is an error then, and no signal that ends the process.
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        for at, buffer in zip(offsets([b.nbytes for b in buffers]), buffers, strict=True):
            position = 0
            while position < buffer.nbytes:
                chunk = buffer[position : position + _WRITE_MOST]
                position += os.pwrite(fd, chunk, at + position)
    finally:
        os.close(fd)


def _memory(directory: str) -> tuple[int, int]:
    """All bytes of the memory for such files, and those that are available."""
    found = os.statvfs(directory)
    return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
