"""A reliable, flow-controlled conversation over a connection that may drop and break. Pure.

NNG's polyamorous sockets drop a message, silently, when the peer's buffer is full, and whatever is
on its way is lost when a connection breaks. A ``Link`` is one end of a conversation that survives
both. It only turns payloads into frames and frames into payloads; its owner moves the frames.

::

    post(payload) ─► [queue] ─► outgoing() ─► frames ~~~ connection ~~~ frames ─► accept()
                        ▲                                                            │ payloads
                        └── restart(): what was not acknowledged goes out again ◄────┘

* Every frame tells how many frames of this connection its sender has taken (``seen``). A side with
  a ``window`` never has more frames than that on their way, so that no buffer can overflow. Only
  the side whose transport drops needs one; the other's transport holds it back by itself. If both
  had one, both could be full, each waiting for the other to tell what it has seen.
* Data frames are numbered across connections and acknowledged cumulatively. Frames that were not
  acknowledged are kept, and sent again on the next connection; doubles are dropped on arrival.
* A gap means that a frame was lost all the same: ``LinkBrokenError``. The owner hangs up, and the
  next connection repairs the conversation.
* A payload larger than ``FRAGMENT`` travels in several frames, so that it cannot keep a
  heartbeat from getting through.
"""

from __future__ import annotations

import struct
from collections import deque

FRAGMENT = 1 << 20
"""The most payload bytes in one frame."""

FRAME_LIMIT = FRAGMENT + 64
"""The largest frame that can be valid, in bytes."""

_HEADER = struct.Struct(">BQQI")
_DATA, _MORE, _ACK, _OPEN = 1, 2, 3, 4
_SEEN_MODULUS = 1 << 32


class LinkBrokenError(Exception):
    """The peer sent something that no correct peer sends; hang up."""


class Link:
    """One end of a conversation.

    Args:
        window: how many frames the other side can have unread at once; None: any number, as the
            transport does not drop. Two is what NNG buffers for each peer of a polyamorous socket.
    """

    def __init__(self, window: int | None) -> None:
        self._window = window
        self._queue: deque[tuple[int, int, bytes | memoryview]] = deque()
        self._unacknowledged: deque[tuple[int, int, bytes | memoryview]] = deque()
        self._next_number = 1
        self._received = 0
        self._parts: list[bytes] = []
        self._sent = self._peer_seen = 0
        self._seen = self._told_seen = self._told_received = 0

    # ── Opening a connection ───────────────────────────────────────────────────────────────────

    def opening(self, payload: bytes) -> bytes:
        """The first frame of a connection: a hello, a welcome or a refusal."""
        self._told_received = self._received
        return _HEADER.pack(_OPEN, 0, self._received, 0) + payload

    def restart(self, acknowledged: int) -> None:
        """Begin a new connection, on which the peer has ``acknowledged`` our data so far."""
        self._drop_acknowledged(acknowledged)
        self._queue.extendleft(reversed(self._unacknowledged))
        self._unacknowledged.clear()
        self._sent = self._peer_seen = 0
        self._seen = self._told_seen = 0

    # ── Sending ────────────────────────────────────────────────────────────────────────────────

    def post(self, payload: bytes | memoryview) -> None:
        """Queue a payload. It arrives exactly once and in order, or the conversation is over."""
        last = (len(payload) - 1) // FRAGMENT if payload else 0
        for i in range(last + 1):
            kind = _DATA if i == last else _MORE
            # A view: one large payload may wait in the queues of many workers.
            part = memoryview(payload)[i * FRAGMENT : (i + 1) * FRAGMENT] if last else payload
            self._queue.append((self._next_number, kind, part))
            self._next_number += 1

    def outgoing(self) -> list[bytes]:
        """The frames that may be sent now. Each must then be sent, in this order."""
        frames = []
        while self._queue and (self._window is None or self.in_flight < self._window):
            item = self._queue.popleft()
            self._unacknowledged.append(item)
            frames.append(self._frame(item[1], item[0], item[2]))
        return frames

    def acknowledgement(self) -> bytes | None:
        """A frame that only tells what has arrived, or None while there is no room for one.

        One place of a window stays free for data, whatever a silent peer makes of this frame.
        """
        if self._window is not None and self.in_flight >= self._window - 1:
            return None
        return self._frame(_ACK, 0, b"")

    # ── Receiving ──────────────────────────────────────────────────────────────────────────────

    def accept(self, frame: bytes) -> list[bytes]:
        """Take a frame; the payloads that it completes: none or one.

        Raises:
            LinkBrokenError: the frame is malformed, out of order, or claims the impossible.
        """
        kind, number, acknowledged, seen = _unpack(frame)
        if kind == _OPEN:
            raise LinkBrokenError("a second opening on one connection")
        self._seen = (self._seen + 1) % _SEEN_MODULUS
        self._note_progress(acknowledged, seen)
        if kind == _ACK or number <= self._received:
            return []
        if number != self._received + 1:
            raise LinkBrokenError(f"frame {number} after {self._received}: one was lost")
        self._received = number
        return self._assemble(kind, frame[_HEADER.size :])

    # ── What the owner asks ────────────────────────────────────────────────────────────────────

    @property
    def in_flight(self) -> int:
        """Frames on this connection that the peer has not told us it has taken."""
        return (self._sent - self._peer_seen) % _SEEN_MODULUS

    @property
    def received(self) -> int:
        """Number of the last data frame that arrived in order."""
        return self._received

    @property
    def untold(self) -> int:
        """Data frames that arrived since we last told the peer."""
        return self._received - self._told_received

    @property
    def idle(self) -> bool:
        """True when nothing waits to be sent or acknowledged."""
        return not self._queue and not self._unacknowledged

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _frame(self, kind: int, number: int, payload: bytes | memoryview) -> bytes:
        self._sent = (self._sent + 1) % _SEEN_MODULUS
        self._told_seen, self._told_received = self._seen, self._received
        return _HEADER.pack(kind, number, self._received, self._seen) + payload

    def _note_progress(self, acknowledged: int, seen: int) -> None:
        taken = (seen - self._peer_seen) % _SEEN_MODULUS
        if taken > self.in_flight or acknowledged >= self._next_number:
            raise LinkBrokenError("the peer claims frames that were never sent")
        self._peer_seen = seen
        self._drop_acknowledged(acknowledged)

    def _drop_acknowledged(self, acknowledged: int) -> None:
        while self._unacknowledged and self._unacknowledged[0][0] <= acknowledged:
            self._unacknowledged.popleft()

    def _assemble(self, kind: int, payload: bytes) -> list[bytes]:
        if kind == _MORE:
            self._parts.append(payload)
            return []
        if not self._parts:
            return [payload]
        whole = b"".join([*self._parts, payload])
        self._parts.clear()
        return [whole]


def read_opening(frame: bytes) -> tuple[int, bytes]:
    """An opening frame's (number of our data that its sender has, payload).

    Raises:
        LinkBrokenError: it is no opening.
    """
    kind, _, acknowledged, _ = _unpack(frame)
    if kind != _OPEN:
        raise LinkBrokenError("a connection that does not begin with an opening")
    return acknowledged, frame[_HEADER.size :]


def is_opening(frame: bytes) -> bool:
    """True for the first frame of a connection."""
    return frame[:1] == bytes([_OPEN])


def _unpack(frame: bytes) -> tuple[int, int, int, int]:
    if not _HEADER.size <= len(frame) <= FRAME_LIMIT:
        raise LinkBrokenError(f"a frame of {len(frame)} bytes")
    kind, number, acknowledged, seen = _HEADER.unpack_from(frame)
    if kind not in (_DATA, _MORE, _ACK, _OPEN):
        raise LinkBrokenError(f"a frame of unknown kind {kind}")
    return kind, number, acknowledged, seen
