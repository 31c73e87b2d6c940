"""One stream connection that never blocks: frames in and out."""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections import deque

from crew_core._wire.stream import FrameBuffer, OversizedMessageError
from crew_core._wire.stream import frame as with_length
from crew_core._wire.stream import header as length_of

_READ_AT_ONCE = 4 << 20  # then others have their turn
_JOIN_BELOW = 1 << 16

# Only the one thread of a dispatcher or of a worker reads. It is filled and emptied at once, so
# that no connection needs memory of its own for what has not come.
_scratch = memoryview(bytearray(1 << 18))


class Peer:
    """A connection to one other end.

    Args:
        connection: owned from now on.
        limit: the largest frame, in bytes.

    Attributes:
        over: why the connection is of no use any more; None while it is. What was read before
            still counts.
        unread: there is more to read that no selector tells of.
        heard: the last ``read`` brought something, if not a whole frame.
        watched: what a selector was told to look out for; its owner's.
    """

    __slots__ = (
        "_buffer",
        "_cannot_send",
        "_pending",
        "heard",
        "over",
        "socket",
        "unread",
        "watched",
    )

    not_now: tuple[type[OSError], ...] = (BlockingIOError,)
    """What says that something would block."""

    reads_all = True
    """A read that brings less than it could has taken all there was."""

    def __init__(self, connection: socket.socket, limit: int) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.over: str | None = None
        self.unread = self.heard = False
        self.watched = 0
        self._buffer = FrameBuffer(limit)
        self._pending: deque[memoryview] = deque()
        self._cannot_send: str | None = None

    @property
    def interest(self) -> int:
        """What a selector should look out for."""
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if self._pending else 0)

    @property
    def has_room(self) -> bool:
        """True when all that was sent has been taken."""
        return not self._pending

    def set_limit(self, limit: int) -> None:
        """Change the size of the largest frame."""
        self._buffer.limit = limit

    def shake_hands(self) -> bool:
        """Go on with what comes before the first frame. True once it is done."""
        return True

    def read(self) -> list[bytes]:
        """Frames that are complete now."""
        frames: list[bytes] = []
        size = min(len(_scratch), self._buffer.limit)
        left = _READ_AT_ONCE
        self.unread = self.heard = False
        try:
            while left > 0:
                count = self.socket.recv_into(_scratch, size)
                if not count:
                    self.over = "closed by the other end"
                    return frames
                self.heard = True
                left -= count
                frames += self._buffer.feed(_scratch[:count])
                if count < size and self.reads_all and self._cannot_send is None:
                    break
            else:
                self.unread = True
        except self.not_now:
            pass
        except (OSError, OversizedMessageError) as error:
            self.over = self.words(error)
        if not self.unread and self._cannot_send is not None:
            self.over = self.over or self._cannot_send
        return frames

    def send(self, frame: bytes) -> None:
        """Write a frame, or what can be written of it; the rest is kept."""
        if self._cannot_send is not None:
            return
        if len(frame) < _JOIN_BELOW:
            self._pending.append(memoryview(with_length(frame)))
        else:  # to join it with its length would copy it
            self._pending += (memoryview(length_of(frame)), memoryview(frame))
        self.flush()

    def flush(self) -> bool:
        """Write what can be written now. True when nothing is left."""
        pending = self._pending
        try:
            while pending:
                written = self.socket.send(pending[0])
                if written == len(pending[0]):
                    pending.popleft()
                else:
                    pending[0] = pending[0][written:]
        except self.not_now:
            return False
        except OSError as error:
            # What the other end has said before it went can still be read, and still counts.
            self._cannot_send = self.words(error)
            self.unread = True
            pending.clear()
        return True

    def close(self) -> None:
        """Close the connection."""
        self._pending.clear()
        with contextlib.suppress(OSError):
            self.socket.close()

    def words(self, error: Exception) -> str:
        """An error in words for a person."""
        return getattr(error, "strerror", None) or str(error)
