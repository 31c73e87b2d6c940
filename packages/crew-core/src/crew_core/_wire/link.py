"""A reliable conversation over a connection that may break. Pure.

What is on its way is lost when a connection breaks. A ``Link`` is one end of a conversation that
survives that. It only turns payloads into frames and frames into payloads; its owner moves the
frames, as fast as the connection takes them.

::

    post(payload) ─► [queue] ─► next_frame() ─► frames ~~ connection ~~ frames ─► accept()
                        ▲                                                            │ payloads
                        └── restart(): what was not acknowledged goes out again ◄────┘

* Data frames are numbered across connections and acknowledged cumulatively, by whatever frame goes
  the other way next. Frames that were not acknowledged are kept, and sent again on the next
  connection; doubles are dropped on arrival.
* A gap means that a frame was lost all the same: ``FrameLostError``. The owner hangs up, and the
  next connection repairs the conversation.
* What the other end makes us keep is limited, whatever it says or does not say.
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

TELL_BYTES = 1 << 18
"""So many bytes that came are acknowledged at once, as the other end keeps them until then."""

PARTS_MAX = 1 << 12
"""The most whole fragments in one payload: as much as a message may have elsewhere."""

KEPT_BYTES = 1 << 28
"""Bytes that a peer may leave without acknowledging them: more than any system's buffers hold."""

KEPT_FRAMES = 1 << 17
"""Frames that may wait for a peer to take or to acknowledge them."""

_HEADER = struct.Struct(">BQQ")
_DATA, _MORE, _ACK, _OPEN = 1, 2, 3, 4
_OPENING = bytes([_OPEN])


class LinkBrokenError(Exception):
    """The peer sent something that no correct peer sends; hang up."""


class FrameLostError(LinkBrokenError):
    """A frame is missing. The next connection brings it."""


class Link:
    """One end of a conversation."""

    __slots__ = (
        "_kept_bytes",
        "_next_number",
        "_parts",
        "_queue",
        "_received",
        "_unacknowledged",
        "_untold",
    )

    def __init__(self) -> None:
        self._queue: deque[tuple[int, int, bytes | memoryview]] = deque()
        self._unacknowledged: deque[tuple[int, int, bytes | memoryview]] = deque()
        self._kept_bytes = 0  # of what is not acknowledged
        self._next_number = 1
        self._received = 0
        self._untold = 0
        self._parts: list[bytes] = []

    # ── Opening a connection ───────────────────────────────────────────────────────────────────

    def opening(self, payload: bytes) -> bytes:
        """The first frame of a connection: a hello, a welcome or a refusal."""
        return self._frame(_OPEN, 0, payload)

    def restart(self, acknowledged: int) -> None:
        """Begin a new connection, on which the peer has ``acknowledged`` our data so far."""
        self._drop_acknowledged(acknowledged)
        self._queue.extendleft(reversed(self._unacknowledged))
        self._unacknowledged.clear()
        self._kept_bytes = 0

    def has_sent(self, number: int) -> bool:
        """False for a frame that no peer can have, as there was none."""
        return number < self._next_number

    # ── Sending ────────────────────────────────────────────────────────────────────────────────

    def post(self, payload: bytes | memoryview) -> None:
        """Queue a payload. It arrives exactly once and in order, or the conversation is over."""
        if len(payload) <= FRAGMENT:
            self._queue.append((self._next_number, _DATA, payload))
            self._next_number += 1
            return
        last = (len(payload) - 1) // FRAGMENT
        for i in range(last + 1):
            kind = _DATA if i == last else _MORE
            # A view: one large payload may wait in the queues of many workers.
            part = memoryview(payload)[i * FRAGMENT : (i + 1) * FRAGMENT]
            self._queue.append((self._next_number, kind, part))
            self._next_number += 1

    def frame_now(self, payload: bytes) -> bytes | None:
        """As ``post`` and ``next_frame`` at once, where the connection has room.

        None when it cannot go at once: then ``post`` it.
        """
        if self._queue or len(payload) > FRAGMENT:
            return None
        number, self._next_number = self._next_number, self._next_number + 1
        self._unacknowledged.append((number, _DATA, payload))
        self._kept_bytes += len(payload)
        return self._frame(_DATA, number, payload)

    def next_frame(self) -> bytes | None:
        """The frame to send next, or None. Ask once the connection has room for it."""
        if not self._queue:
            return None
        item = self._queue.popleft()
        self._unacknowledged.append(item)
        self._kept_bytes += len(item[2])
        return self._frame(item[1], item[0], item[2])

    def acknowledgement(self) -> bytes:
        """A frame that only tells what has arrived; also a sign of life."""
        return self._frame(_ACK, 0, b"")

    # ── Receiving ──────────────────────────────────────────────────────────────────────────────

    def accept(self, frame: bytes) -> list[bytes]:
        """Take a frame; the payloads that it completes: none or one.

        Raises:
            FrameLostError: it is not the next one.
            LinkBrokenError: it is malformed or claims the impossible, or its sender has us keep
                too much.
        """
        kind, number, acknowledged = _unpack(frame)
        if kind == _OPEN:
            raise LinkBrokenError("a second opening on one connection")
        if not self.has_sent(acknowledged):
            raise LinkBrokenError("the peer claims frames that were never sent")
        self._drop_acknowledged(acknowledged)
        if self._kept_bytes > KEPT_BYTES or self._kept_frames > KEPT_FRAMES:
            raise LinkBrokenError("the peer does not take, or acknowledge, what it is sent")
        if kind == _ACK or number <= self._received:
            return []
        if number != self._received + 1:
            raise FrameLostError(f"frame {number} after {self._received}: one was lost")
        self._received = number
        self._untold += len(frame)
        return self._assemble(kind, frame[_HEADER.size :])

    # ── What the owner asks ────────────────────────────────────────────────────────────────────

    @property
    def owes(self) -> bool:
        """True when so much has come that the peer should be told at once."""
        return self._untold >= TELL_BYTES

    @property
    def owes_nothing(self) -> bool:
        """True when nothing waits to be sent, and the peer need not be told anything."""
        return not self._queue and self._untold < TELL_BYTES

    @property
    def received(self) -> int:
        """Number of the last data frame that arrived in order."""
        return self._received

    @property
    def idle(self) -> bool:
        """True when nothing waits to be sent or acknowledged."""
        return not self._queue and not self._unacknowledged

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _frame(self, kind: int, number: int, payload: bytes | memoryview) -> bytes:
        self._untold = 0
        return _HEADER.pack(kind, number, self._received) + payload

    def _drop_acknowledged(self, acknowledged: int) -> None:
        while self._unacknowledged and self._unacknowledged[0][0] <= acknowledged:
            self._kept_bytes -= len(self._unacknowledged.popleft()[2])

    @property
    def _kept_frames(self) -> int:
        return len(self._unacknowledged) + len(self._queue)

    def _assemble(self, kind: int, payload: bytes) -> list[bytes]:
        if kind == _MORE:
            if len(payload) != FRAGMENT or len(self._parts) >= PARTS_MAX:
                raise LinkBrokenError("a payload in parts that nobody makes")
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
    kind, _, acknowledged = _unpack(frame)
    if kind != _OPEN:
        raise LinkBrokenError("a connection that does not begin with an opening")
    return acknowledged, frame[_HEADER.size :]


def is_opening(frame: bytes) -> bool:
    """True for the first frame of a connection."""
    return frame[:1] == _OPENING


def _unpack(frame: bytes) -> tuple[int, int, int]:
    if not _HEADER.size <= len(frame) <= FRAME_LIMIT:
        raise LinkBrokenError(f"a frame of {len(frame)} bytes")
    header: tuple[int, int, int] = _HEADER.unpack_from(frame)
    if header[0] not in (_DATA, _MORE, _ACK, _OPEN):
        raise LinkBrokenError(f"a frame of unknown kind {header[0]}")
    return header
