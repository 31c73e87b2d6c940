"""A worker's log of bounded size, of which the beginning and the end are kept.

Whatever dies, what was written is on disk. While the log is written it is up to three files::

    path      the first half of the limit, never touched again
    path.1    ┐ the newest bytes, each at most a quarter of the limit: when one is full, the
    path.2    ┘ older one is begun afresh

Each of the two begins with a line that says where in the whole log it starts, so that anybody can
join the three at any time (``read_log``). ``close`` joins them for good.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from typing import NamedTuple

_HEADER = rb"crew-log-part start=(\d+) head=(\d+)\n"  # compiled by who reads
_HEADER_MOST = 80
_LEFT_OUT = b"crew: ... %d bytes left out here ...\n"
_LEFT_OUT_AMID = b"crew: ... %d bytes left out here, in the line above first ...\n"
_GAP = rb"(\n?)crew: \.\.\. (\d+) bytes left out here(, in the line above first)? \.\.\.\n"
_SUFFIXES = (".1", ".2")


class CappedLog:
    """Writes such a log. Bytes go straight to the operating system; nothing is buffered here.

    A full disk or a vanished directory ends the log, never the worker: ``failed`` says why.

    Args:
        path: the log's file. One that exists is continued.
        limit_bytes: about how much to keep.
    """

    def __init__(self, path: str | os.PathLike[str], limit_bytes: int) -> None:
        self._path = os.fspath(path)
        self._head_most = limit_bytes // 2
        self._part_most = max(limit_bytes // 4, 1)
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._head = self._position = os.fstat(self._fd).st_size
        self._room = max(self._head_most - self._head, 0)
        self._part = -1  # which of the suffixes is written; -1: the head
        self._at_line_start = True
        self.failed: OSError | None = None

    def write(self, data: bytes) -> None:
        """Append output of the worker."""
        if not data or self.failed is not None:
            return
        self._at_line_start = data.endswith(b"\n")
        try:
            self._write(memoryview(data))
        except OSError as error:
            self.failed = error

    def note(self, text: str) -> None:
        """Append a line of crew's own, with the time (UTC)."""
        now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        start = "" if self._at_line_start else "\n"
        self.write(f"{start}crew: {now} {text}\n".encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Join the parts into one file. Nothing can be written afterwards."""
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        try:
            self._join()
        except OSError as error:
            self.failed = error

    def _write(self, data: memoryview) -> None:
        while data:
            if not self._room:
                data = self._skip(data)
                self._next_part()
            written = os.write(self._fd, data[: self._room])
            self._room -= written
            self._position += written
            if self._part < 0:
                self._head += written
            data = data[written:]

    def _skip(self, data: memoryview) -> memoryview:
        """Leave out what would be overwritten before this write is done."""
        surplus = max(len(data) - 2 * self._part_most, 0)
        self._position += surplus
        return data[surplus:]

    def _next_part(self) -> None:
        os.close(self._fd)
        self._fd = -1
        self._part = (self._part + 1) % len(_SUFFIXES)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(self._path + _SUFFIXES[self._part], flags, 0o600)
        os.write(self._fd, b"crew-log-part start=%d head=%d\n" % (self._position, self._head))
        self._room = self._part_most

    def _join(self) -> None:
        if self._part < 0:
            return
        joined = self._path + ".joined"
        with open(joined, "wb", opener=_private) as file:
            for piece in _pieces(self._path):
                file.write(piece)
        os.replace(joined, self._path)
        for suffix in _SUFFIXES:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path + suffix)


def read_log(path: str | os.PathLike[str]) -> str:
    """What there is of a log, while it is written or afterwards; empty when it never began."""
    return b"".join(_pieces(os.fspath(path))).decode("utf-8", "replace")


def read_since(path: str | os.PathLike[str], position: int) -> tuple[bytes, int]:
    """What was written after the first so many bytes of a log, and how many there are now.

    What has been overwritten meanwhile is a line that says so.
    """
    found = []
    for start, data in _spans(os.fspath(path)):
        if start + len(data) <= position:
            continue
        if start > position:
            found.append(_LEFT_OUT % (start - position))
        found.append(data[max(position - start, 0) :])
        position = start + len(data)
    return b"".join(found), position


class _Part(NamedTuple):
    start: int
    head: int
    data: bytes


def _pieces(path: str) -> list[bytes]:
    """The beginning, a line on what is missing, and the end."""
    head, parts = _read_all(path)
    if not parts:
        return [head]
    missing = parts[0].start - len(head)
    pieces = [head]
    if missing:
        whole = head.endswith(b"\n") or not head
        pieces.append((_LEFT_OUT if whole else b"\n" + _LEFT_OUT_AMID) % missing)
    return pieces + [part.data for part in parts]


def _spans(path: str) -> list[tuple[int, bytes]]:
    """The bytes that there are, each with where in the whole log they start."""
    head, parts = _read_all(path)
    if parts:
        return [(0, head), *((part.start, part.data) for part in parts)]
    gap = re.search(_GAP, head)
    if gap is None:
        return [(0, head)]
    end = gap.start() if gap[3] else gap.end(1)  # that line's end is not the worker's
    return [(0, head[:end]), (end + int(gap[2]), head[gap.end() :])]


def _read_all(path: str) -> tuple[bytes, list[_Part]]:
    """The first file, and the other two unless they are joined to it, in order."""
    parts = sorted(filter(None, (_read_part(path + suffix) for suffix in _SUFFIXES)))
    head = _read(path)
    joined = parts and len(head) > parts[0].head  # only not tidied up
    return head, [] if joined else parts


def _read_part(path: str) -> _Part | None:
    data = _read(path)
    header = re.match(_HEADER, data[:_HEADER_MOST])
    if header is None:
        return None
    return _Part(int(header[1]), int(header[2]), data[header.end() :])


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
