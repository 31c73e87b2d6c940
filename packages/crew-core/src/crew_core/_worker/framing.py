"""Frames on pipes: a length of four bytes, big-endian, and then that many bytes.

Both ends of a worker's pipes use this: the supervisor, which must never wait for its task process,
and the task process, which may.
"""

from __future__ import annotations

import fcntl
import os
import select
from collections import deque

FRAME_MAX = 0xFFFFFFFF
"""The most bytes that one frame can hold."""

_READ_SIZE = 1 << 16
_READ_LARGE = 1 << 20
_READ_MOST = 8 << 20  # by one call of read_available, so that no pipe starves the others
_JOIN_BELOW = 1 << 16
_PIPE_SIZE = 1 << 20


def enlarge(fd: int) -> None:
    """Make a pipe hold more, where the system can: fewer switches for large payloads."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        try:
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
        except OSError:  # above the user's limit for all pipes: the usual size will do
            return


def write_frame(fd: int, data: bytes) -> None:
    """Write one frame to a blocking descriptor, all of it.

    Raises:
        OSError: the reader is gone.
    """
    frame = len(data).to_bytes(4, "big") + data
    written = os.write(fd, frame)
    if written < len(frame):
        _write_rest(fd, memoryview(frame)[written:])


def _write_rest(fd: int, rest: memoryview) -> None:
    while rest:
        rest = rest[os.write(fd, rest) :]


class FrameReader:
    """Takes frames out of a pipe without waiting. Sets the descriptor non-blocking.

    Attributes:
        at_end: True once the last writer is gone and all it wrote was read.
    """

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._buffer = bytearray()
        self.at_end = False

    def fileno(self) -> int:
        """The descriptor, for ``select`` and the like."""
        return self._fd

    def read_available(self) -> list[bytes]:
        """The complete frames that can be had without waiting.

        There may be more when it returns: ask ``select`` again.
        """
        total = 0
        buffer = self._buffer
        while not self.at_end and total < _READ_MOST:
            size = _READ_LARGE if len(buffer) > _READ_SIZE else _READ_SIZE
            try:
                chunk = os.read(self._fd, size)
            except BlockingIOError:
                break
            self.at_end = not chunk
            if not buffer and len(chunk) < _READ_SIZE:
                if _is_whole(chunk):
                    return [chunk[4:]]  # most often
                frames, used = _split_small(chunk)
                buffer += chunk[used:]
                return frames
            buffer += chunk
            total += len(chunk)
            if len(chunk) < _READ_SIZE:
                break
        return self._split() if total else []

    def read_some(self) -> list[bytes]:
        """As ``read_available``, but waits for at least one frame. Empty at the end."""
        while not (frames := self.read_available()) and not self.at_end:
            wait_readable(self._fd)
        return frames

    def _split(self) -> list[bytes]:
        buffer, frames, start = self._buffer, [], 0
        while len(buffer) - start >= 4:
            end = start + 4 + int.from_bytes(buffer[start : start + 4], "big")
            if end > len(buffer):
                break
            with memoryview(buffer) as view:
                frames.append(bytes(view[start + 4 : end]))
            start = end
        del buffer[:start]
        return frames


def _is_whole(data: bytes) -> bool:
    """True for one frame, neither less nor more."""
    return len(data) >= 4 and int.from_bytes(data[:4], "big") == len(data) - 4


def _split_small(data: bytes) -> tuple[list[bytes], int]:
    """The complete frames in a few bytes, and how many bytes they are."""
    frames, start, size = [], 0, len(data)
    while start + 4 <= size:
        end = start + 4 + int.from_bytes(data[start : start + 4], "big")
        if end > size:
            break
        frames.append(data[start + 4 : end])
        start = end
    return frames, start


class FrameWriter:
    """Puts frames into a pipe without waiting. Sets the descriptor non-blocking.

    What the pipe does not take stays here until ``flush`` is called again, which should be when
    ``select`` says that the descriptor can be written.
    """

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._waiting: deque[bytes | memoryview] = deque()
        self.pending_bytes = 0

    def fileno(self) -> int:
        """The descriptor, for ``select`` and the like."""
        return self._fd

    @property
    def wants_write(self) -> bool:
        """True while something waits for room in the pipe."""
        return bool(self._waiting)

    def put(self, data: bytes) -> None:
        """Queue one frame. Nothing is written before ``flush``.

        Raises:
            ValueError: when it is longer than a frame can be.
        """
        if len(data) > FRAME_MAX:
            raise ValueError(f"{len(data)} bytes are more than the {FRAME_MAX} of one frame")
        header = len(data).to_bytes(4, "big")
        parts = (header + data,) if len(data) < _JOIN_BELOW else (header, data)
        self._waiting.extend(parts)
        self.pending_bytes += 4 + len(data)

    def flush(self) -> bool:
        """Write what the pipe takes now. True when nothing is left.

        Raises:
            OSError: the reader is gone.
        """
        while self._waiting:
            part = self._next_part()
            try:
                written = os.write(self._fd, part)
            except BlockingIOError:
                written = 0
            self.pending_bytes -= written
            if written < len(part):
                self._waiting.appendleft(memoryview(part)[written:])
                return False
        return True

    def _next_part(self) -> bytes | memoryview:
        """The first part that waits, with the small ones behind it joined to it."""
        part = self._waiting.popleft()
        if len(part) >= _JOIN_BELOW or not self._waiting:
            return part
        parts, length = [part], len(part)
        while self._waiting and length + len(self._waiting[0]) <= _JOIN_BELOW:
            parts.append(self._waiting.popleft())
            length += len(parts[-1])
        return b"".join(parts)


def wait_readable(*fds: int) -> None:
    """Wait until there is something to read, or the end, on one of these descriptors."""
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    poll.poll()
