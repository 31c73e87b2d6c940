"""Mappings of segments that are kept for the next use of the same file.

Most of the time that a new mapping takes goes into the faults of its pages, one by one. One that
was used before has them all. A kept mapping is nobody's but ours, and is looked for by the number
of its file, which no other file gets as long as there is the mapping.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys

KEPT_FROM = 1 << 18
"""Bytes of the smallest mapping that is worth it."""

_FILES_MOST = 4
_POPULATE_WRITE = 23  # for madvise; Python has no name for it, and Linux has it since 5.14

_PAGES = "/proc/self/pagemap"
# What a page's entry there tells.
_PRESENT, _SWAPPED, _OF_THE_FILE = 63, 62, 61
_ENTRY_BYTES = 8


class KeptMappings:
    """The mappings that were used last. Takes no lock: any thread may call at any moment."""

    def __init__(self) -> None:
        self._kept: dict[int, mmap.mmap] = {}  # the one used last comes last

    def __contains__(self, number: int) -> bool:
        return number in self._kept

    def take(self, number: int, size: int) -> mmap.mmap | None:
        """The mapping of a file, if it has so many bytes; it is no longer kept here."""
        found = self._kept.pop(number, None)
        return found if found is not None and len(found) >= size else None

    def keep(self, number: int, mapping: mmap.mmap, most: int) -> None:
        """Keep a mapping, of all at most so many bytes."""
        if not KEPT_FROM <= len(mapping) <= most:
            return
        self._kept[number] = mapping
        while len(self._kept) > _FILES_MOST or sum(map(len, self._kept.values())) > most:
            with contextlib.suppress(StopIteration, RuntimeError):  # another thread took it
                self._kept.pop(next(iter(self._kept)), None)

    def clear(self) -> None:
        """Keep none of them."""
        self._kept.clear()


def map_to_write(path: str) -> mmap.mmap:
    """Map a file whose pages are all there, so that a write to the mapping cannot fail."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if sys.version_info >= (3, 13):
            found = mmap.mmap(fd, 0, trackfd=False)
        else:
            found = mmap.mmap(fd, 0)
    finally:
        os.close(fd)
    with contextlib.suppress(OSError):
        found.madvise(_POPULATE_WRITE)
    return found


def is_clean(mapping: mmap.mmap) -> bool:
    """True if nobody has written to a private mapping: it shows what the file has, ever after."""
    try:
        import ctypes
    except ImportError:  # no descriptors left
        return False
    count = -(-len(mapping) // mmap.PAGESIZE)
    first = ctypes.addressof(ctypes.c_char.from_buffer(mapping)) // mmap.PAGESIZE
    try:
        fd = os.open(_PAGES, os.O_RDONLY | os.O_CLOEXEC)
        try:
            found = os.pread(fd, count * _ENTRY_BYTES, first * _ENTRY_BYTES)
        finally:
            os.close(fd)
    except OSError:
        return False
    if len(found) != count * _ENTRY_BYTES:
        return False
    # All pages at once: as one number. A page that was written to is there, and not the file's.
    pages = int.from_bytes(found, "little")
    ones = int.from_bytes((1).to_bytes(_ENTRY_BYTES, "little") * count, "little")
    return not (pages >> _PRESENT | pages >> _SWAPPED) & ~(pages >> _OF_THE_FILE) & ones
