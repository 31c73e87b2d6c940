"""Whole messages in and out of streams, as of the one between a client and its dispatcher.

A frame is four bytes of length, big-endian, and the message.
"""

from __future__ import annotations

import socket
import struct
from collections import deque
from itertools import islice

_LENGTH = struct.Struct(">I")
_READ = 1 << 18
_JOINED_BELOW = 1 << 16
_AT_ONCE = 256  # parts in one call; systems take 1024
MESSAGE_LIMIT = (1 << 32) - 1
"""The largest message, in bytes."""


class ConnectionLostError(Exception):
    """The other end closed the connection, or died."""


def header(message: bytes) -> bytes:
    """What goes before a message."""
    return _LENGTH.pack(len(message))


def frame(message: bytes) -> bytes:
    """A message with its length in front."""
    return header(message) + message


class OversizedMessageError(Exception):
    """The other end announced a message that is larger than any may be."""


class FrameBuffer:
    """Bytes as they come, whole messages as they go. Pure.

    Args:
        limit: the largest message, in bytes; may be changed at any time.
    """

    def __init__(self, limit: int = MESSAGE_LIMIT) -> None:
        self.limit = limit
        self._data = bytearray()

    def feed(self, chunk: bytes | memoryview) -> list[bytes]:
        """Add what was read; the messages that are complete now.

        Raises:
            OversizedMessageError: before anything of the message is kept.
        """
        kept = self._data
        if not kept and len(chunk) >= _LENGTH.size:  # most often one whole message comes
            (length,) = _LENGTH.unpack_from(chunk)
            if length == len(chunk) - _LENGTH.size and length <= self.limit:
                return [bytes(chunk[_LENGTH.size :])]
        if kept:
            kept += chunk
            messages, used = self._split(kept)
            del kept[:used]
        else:
            messages, used = self._split(chunk)
            if used < len(chunk):
                kept += chunk[used:]
        return messages

    def _split(self, data: bytes | bytearray | memoryview) -> tuple[list[bytes], int]:
        """The complete messages, and how many bytes they take."""
        messages, start, most = [], 0, len(data)
        with memoryview(data) as view:  # a slice of the data themselves would be one more copy
            while most - start >= _LENGTH.size:
                (length,) = _LENGTH.unpack_from(view, start)
                if length > self.limit:
                    text = f"a message of {length} bytes; {self.limit} are most"
                    raise OversizedMessageError(text)
                end = start + _LENGTH.size + length
                if end > most:
                    break
                messages.append(bytes(view[start + _LENGTH.size : end]))
                start = end
        return messages, start


class StreamReader:
    """Reads messages from a socket, blocking or not as the socket is."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = FrameBuffer()
        self._scratch = memoryview(bytearray(_READ))

    def read(self) -> list[bytes]:
        """One read from the socket; the messages it completed, maybe none.

        Raises:
            ConnectionLostError: the other end is gone.
            BlockingIOError: the socket is non-blocking and nothing is there.
        """
        try:
            count = self._connection.recv_into(self._scratch)
        except BlockingIOError:
            raise
        except OSError as error:
            raise ConnectionLostError(str(error)) from None
        if not count:
            raise ConnectionLostError("closed by the other end")
        return self._buffer.feed(self._scratch[:count])


class StreamWriter:
    """Writes messages to a non-blocking socket, as much as it takes, and keeps the rest."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._pending: deque[memoryview] = deque()

    @property
    def wants_write(self) -> bool:
        """True while something waits for the socket to take it."""
        return bool(self._pending)

    def send(self, message: bytes) -> None:
        """Queue a message. ``flush`` writes it."""
        if len(message) < _JOINED_BELOW:
            self._pending.append(memoryview(frame(message)))
        else:  # to join it with its header would copy it
            self._pending += (memoryview(header(message)), memoryview(message))

    def flush(self) -> None:
        """Write what can be written now.

        Raises:
            ConnectionLostError: the other end is gone.
        """
        pending = self._pending
        while pending:
            try:
                if len(pending) == 1:
                    written = self._connection.send(pending[0])
                else:
                    written = self._connection.sendmsg(list(islice(pending, _AT_ONCE)))
            except BlockingIOError:
                return
            except OSError as error:
                raise ConnectionLostError(str(error)) from None
            while written:
                size = len(pending[0])
                if size <= written:
                    pending.popleft()
                else:
                    pending[0] = pending[0][written:]
                written -= min(size, written)
