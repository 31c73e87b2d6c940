"""One TCP connection that never blocks: frames in and out, through TLS or not."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
from collections import deque

from crew_core._wire.stream import FrameBuffer, OversizedMessageError
from crew_core._wire.stream import frame as with_length

_READ = 1 << 18
_READ_AT_ONCE = 4 << 20  # then others have their turn

_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Peer:
    """A connection to one other end.

    Args:
        connection: owned from now on. An ``SSLSocket`` shakes hands first.
        limit: the largest frame, in bytes.

    Attributes:
        over: why the connection is of no use any more; None while it is. What was read before
            still counts.
        unread: there is more to read that no selector tells of.
        heard: the last ``read`` brought something, if not a whole frame.
    """

    def __init__(self, connection: socket.socket, limit: int) -> None:
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        self.over: str | None = None
        self.unread = self.heard = False
        self._buffer = FrameBuffer(limit)
        self._pending: deque[memoryview] = deque()
        self._shaken = not isinstance(connection, ssl.SSLSocket)
        self._shake_waits_for_room = False

    @property
    def open(self) -> bool:
        """True once frames may go."""
        return self._shaken

    @property
    def interest(self) -> int:
        """What a selector should look out for."""
        waits_for_room = self._pending if self._shaken else self._shake_waits_for_room
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if waits_for_room else 0)

    def set_limit(self, limit: int) -> None:
        """Change the size of the largest frame."""
        self._buffer.limit = limit

    def shake_hands(self) -> bool:
        """Go on with the TLS handshake. True once it is done."""
        if not self._shaken:
            assert isinstance(self.socket, ssl.SSLSocket)
            try:
                self.socket.do_handshake()
            except _NOT_NOW as reason:
                self._shake_waits_for_room = isinstance(reason, ssl.SSLWantWriteError)
            except (OSError, ValueError) as error:
                self.over = f"no TLS: {_plain(error)}"
            else:
                self._shaken = True
        return self._shaken

    def read(self) -> list[bytes]:
        """Frames that are complete now."""
        frames: list[bytes] = []
        size = min(_READ, self._buffer.limit)
        left = _READ_AT_ONCE
        self.unread = self.heard = False
        try:
            while left > 0:
                chunk = self.socket.recv(size)
                if not chunk:
                    self.over = "closed by the other end"
                    return frames
                self.heard = True
                left -= len(chunk)
                frames += self._buffer.feed(chunk)
        except _NOT_NOW:
            return frames
        except (OSError, OversizedMessageError) as error:
            self.over = _plain(error)
            return frames
        self.unread = True
        return frames

    def send(self, frame: bytes) -> None:
        """Queue a frame and write what can be written."""
        self._pending.append(memoryview(with_length(frame)))
        self.flush()

    def flush(self) -> None:
        """Write what can be written now."""
        pending = self._pending
        try:
            while pending:
                written = self.socket.send(pending[0])
                if written == len(pending[0]):
                    pending.popleft()
                else:
                    pending[0] = pending[0][written:]
        except _NOT_NOW:
            return
        except OSError as error:
            self.over = _plain(error)

    def close(self) -> None:
        """Close the connection."""
        self._pending.clear()
        with contextlib.suppress(OSError):
            self.socket.close()


def _plain(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    return getattr(error, "strerror", None) or str(error)
