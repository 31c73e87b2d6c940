"""The local stream socket between a client and its dispatcher: whole messages in and out.

A frame is four bytes of length, big-endian, and the message. NNG is not used here because the
user's process may fork at any time (see docs/decisions/0003).
"""

from __future__ import annotations

import socket
import struct
from collections import deque

_LENGTH = struct.Struct(">I")
_READ = 1 << 18
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

    def feed(self, chunk: bytes) -> list[bytes]:
        """Add what was read; the messages that are complete now.

        Raises:
            OversizedMessageError: before anything of the message is kept.
        """
        data = self._data
        data += chunk
        messages, position = [], 0
        while len(data) - position >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(data, position)
            if length > self.limit:
                raise OversizedMessageError(f"a message of {length} bytes; {self.limit} are most")
            end = position + _LENGTH.size + length
            if end > len(data):
                break
            with memoryview(data) as view:  # a slice of the data themselves would be one more copy
                messages.append(bytes(view[position + _LENGTH.size : end]))
            position = end
        if position:
            del data[:position]
        return messages


class StreamReader:
    """Reads messages from a socket, blocking or not as the socket is."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = FrameBuffer()

    def read(self) -> list[bytes]:
        """One read from the socket; the messages it completed, maybe none.

        Raises:
            ConnectionLostError: the other end is gone.
            BlockingIOError: the socket is non-blocking and nothing is there.
        """
        try:
            chunk = self._connection.recv(_READ)
        except BlockingIOError:
            raise
        except OSError as error:
            raise ConnectionLostError(str(error)) from None
        if not chunk:
            raise ConnectionLostError("closed by the other end")
        return self._buffer.feed(chunk)


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
        """Queue a message and write what can be written.

        Raises:
            ConnectionLostError: the other end is gone.
        """
        self._pending.append(memoryview(frame(message)))
        self.flush()

    def flush(self) -> None:
        """Write what can be written now.

        Raises:
            ConnectionLostError: the other end is gone.
        """
        pending = self._pending
        while pending:
            try:
                written = self._connection.send(pending[0])
            except BlockingIOError:
                return
            except OSError as error:
                raise ConnectionLostError(str(error)) from None
            if written == len(pending[0]):
                pending.popleft()
            else:
                pending[0] = pending[0][written:]
