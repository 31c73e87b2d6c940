"""Segments: written once, mapped by whoever gets their name, used again when nobody maps them.

A segment holds the large buffers of one pickle. Its writer copies them in, and gives the name to
another process together with the message. The reader maps it privately: it may write to what it
sees, and nobody else sees that. Pages that were used before are much faster to write to than new
ones, so a segment that nobody maps any more is put aside, and the next writer, whichever process
that is, takes it from there; the fastest is who has kept a mapping of it. Renaming a file is what
hands it over: of several who want the same, one gets it. ::

    <writer>.<n>.part      being written: whoever is left removes it when the writer dies
    <writer>.<n>           in use
    free/<bytes>-<inode>   put aside

``recycle`` must be called only when nobody maps the segment, in this or any other process: its
pages will change. ``discard`` is right at any time: mappings live on.
"""

from __future__ import annotations

import contextlib
import itertools
import mmap  # not later: who has no descriptors left could not import it
import os
import sys
import time
import weakref
from collections.abc import Iterator, Sequence

from crew_core._wire.segments.kept import KEPT_FROM, KeptMappings, is_clean, map_to_write
from crew_core._wire.spare import lacks_descriptors

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
_KEPT_MOST = 16  # the part of it that kept mappings may show, of each kind
_COPY_MOST = 4 << 20  # at once: other threads wait meanwhile
_TRIES = 100
_TRY_AGAIN_SECONDS = 0.02
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
        self._mapped: set[int] = set()
        self._to_write = KeptMappings()
        self._to_read = KeptMappings()
        self._pid = os.getpid()
        # For when the process has no other left: what is in a segment must not be lost for that.
        self._spare: list[int] = []
        self._take_spare()
        weakref.finalize(self, _close_all, self._spare).atexit = False

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
            size = length([b.nbytes for b in buffers])
            if self._take_free(path, size):
                self._write_again(path, buffers, size)
            elif self._make(path, size):
                _write(path, buffers)
            else:
                return None
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

        It may wait for a moment when this process has no descriptors left.

        Raises:
            OSError: it is gone, or cannot be mapped.
        """
        for tries_left in reversed(range(_TRIES)):
            try:
                return self._map_or_read(name, size)
            except OSError as error:
                if not lacks_descriptors(error) or not tries_left:
                    raise
            # Another thread has taken the spare one, for something that will fail, too.
            time.sleep(_TRY_AGAIN_SECONDS)
            if not self._spare:
                self._take_spare()
        raise AssertionError("the last try returns or raises")

    def _map_or_read(self, name: str, size: int) -> mmap.mmap | bytearray:
        try:
            return self.map(name, size) if self.may_map else self.read(name, size)
        except OSError as error:
            if not lacks_descriptors(error) or not self._spare:
                raise
        _close_all(self._spare)
        try:
            return self.read(name, size)  # for which one is enough
        finally:
            self._take_spare()

    def borrow(self, name: str, size: int) -> mmap.mmap | bytearray:
        """Like ``map_or_read``, but at best a mapping that was given back.

        Raises:
            OSError: it is gone, or cannot be mapped.
        """
        kept = self._to_read.take(os.stat(self._path(name)).st_ino, size)
        return self.map_or_read(name, size) if kept is None else kept

    def give_back(self, name: str, mapping: mmap.mmap) -> None:
        """Keep what was borrowed, and what nobody refers to, for when the file is used again."""
        if len(mapping) >= KEPT_FROM and is_clean(mapping):
            with contextlib.suppress(OSError):
                self._to_read.keep(os.stat(self._path(name)).st_ino, mapping, self._kept_most())

    def map(self, name: str, size: int) -> mmap.mmap:
        """Map a segment. It stays mapped for as long as anything refers to the mapping's bytes.

        Raises:
            OSError: it is gone, or cannot be mapped.
        """
        found = self._map(name, size)
        number = next(self._numbers)
        self._mapped.add(number)
        end = weakref.finalize(found, self._mapped.discard, number)
        end.atexit = False
        return found

    def _map(self, name: str, size: int) -> mmap.mmap:
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
        with contextlib.suppress(OSError):
            path = self._path(name)
            found = os.stat(path)
            aside = [size for size, _, _ in self._put_aside()]
            most = _memory(self.directory)[0] // _PUT_ASIDE_MOST
            if sum(aside) + found.st_size > most or len(aside) >= _PUT_ASIDE_FILES:
                os.truncate(path, 0)  # or else mappings that others keep would keep its memory
                self._remove(path)
            else:
                os.rename(path, os.path.join(self._free, f"{found.st_size}-{found.st_ino}"))

    def discard(self, name: str) -> None:
        """Remove a segment. Who maps it keeps what it sees."""
        if not self.is_elsewhere:
            with contextlib.suppress(OSError):
                self._remove(self._path(name))

    def let_go(self) -> None:
        """Keep no mappings: nothing will be written or borrowed here for now."""
        self._to_write.clear()
        self._to_read.clear()
        _close_all(self._spare)

    def discard_parts(self, prefix: str) -> None:
        """Remove what these writers, which are dead, did not finish."""
        with contextlib.suppress(OSError):
            for name in os.listdir(self.directory):
                if name.startswith(prefix) and name.endswith(_PART):
                    self.discard(name)

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _take_spare(self) -> None:
        with contextlib.suppress(OSError):
            self._spare.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))

    def _take_free(self, path: str, size: int) -> bool:
        """Take a file that was put aside and has as many bytes. False: there is none."""
        fitting = [found for found in self._put_aside() if size <= found[0] <= size * _WASTE_MOST]
        fitting.sort(key=lambda found: (found[1] not in self._to_write, found[0]))
        for _, _, name in fitting:
            with contextlib.suppress(OSError):  # another was quicker
                os.rename(os.path.join(self._free, name), path)
                return True
        return False

    def _make(self, path: str, size: int) -> bool:
        """Make a file, if there is room for so many bytes."""
        total, available = _memory(self.directory)
        if available - size < total // _LEFT_FREE:
            return False
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        return True

    def _write_again(self, path: str, buffers: Sequence[memoryview], size: int) -> None:
        """Write to a file that has been written to before: all its pages are there."""
        most = self._kept_most()
        found = os.stat(path)
        if size < KEPT_FROM or found.st_size > most:
            _write(path, buffers)
            return
        mapping = self._to_write.take(found.st_ino, size)
        if mapping is None:
            mapping = map_to_write(path)
        _copy(mapping, buffers)
        self._to_write.keep(found.st_ino, mapping, most)

    def _put_aside(self) -> Iterator[tuple[int, int, str]]:
        """Size, number and name of each file that is put aside."""
        for name in os.listdir(self._free):
            size, _, number = name.partition("-")
            if size.isdecimal() and number.isdecimal():
                yield int(size), int(number), name

    def _remove(self, path: str) -> None:
        """Remove a file, and what we keep of it."""
        self._to_write.take(os.stat(path).st_ino, 0)
        os.unlink(path)

    def _kept_most(self) -> int:
        return _memory(self.directory)[0] // _KEPT_MOST

    def _path(self, name: str) -> str:
        if os.path.basename(name) != name or "\0" in name:  # whatever a worker says
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


def _close_all(descriptors: list[int]) -> None:
    while descriptors:
        with contextlib.suppress(OSError):  # a task may close all that it finds
            os.close(descriptors.pop())


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


def _copy(mapping: mmap.mmap, buffers: Sequence[memoryview]) -> None:
    with memoryview(mapping) as whole:
        for at, buffer in zip(offsets([b.nbytes for b in buffers]), buffers, strict=True):
            for position in range(0, buffer.nbytes, _COPY_MOST):
                chunk = buffer[position : position + _COPY_MOST]
                whole[at + position : at + position + chunk.nbytes] = chunk


def _memory(directory: str) -> tuple[int, int]:
    """All bytes of the memory for such files, and those that are available."""
    found = os.statvfs(directory)
    return found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
