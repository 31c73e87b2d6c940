"""Connections between dispatcher and workers on one computer: unix sockets; see ``transport``.

A private directory keeps strangers out, and a secret tells who is who. Nothing cuts such a
connection but the end of one of its ends.
"""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections.abc import Callable

from crew_core._wire.link import FRAME_LIMIT
from crew_core._wire.listener import StreamListener
from crew_core._wire.notices import warn
from crew_core._wire.peer import Peer
from crew_core._wire.readiness import make_selector

SCHEME = "unix://"
"""What the URL of a dispatcher on the same computer begins with; the socket's path follows."""

_BACKLOG = 4096  # a launch may start thousands of workers; Linux takes what it is set to, at most
_PAUSE_SECONDS = 0.1
_PAUSE_SECONDS_MAX = 2.0


class LocalListener(StreamListener):
    """The dispatcher's end.

    Args:
        path: of the socket, in a private directory.
        clock: monotonic.
    """

    def __init__(
        self, path: str | os.PathLike[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        door.setblocking(False)
        door.bind(os.fspath(path))
        door.listen(_BACKLOG)
        super().__init__(door, clock)


class LocalDialer:
    """A worker's end: one connection at a time, dialled again whenever it breaks.

    Args:
        path: of the dispatcher's socket.
        clock: monotonic.
    """

    def __init__(
        self, path: str | os.PathLike[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.selector: selectors.BaseSelector = make_selector()
        self.fileno = -1
        self._path = os.fspath(path)
        self._clock = clock
        self._dial_at = clock()
        self._pause = _PAUSE_SECONDS
        self._peer: Peer | None = None
        self._ready = False
        self._quiet = False  # it was connected, or has said why it cannot be

    def changes(self, ready: bool) -> list[bool]:
        """What happened to the connection since the last call: True came, False went."""
        self._ready = ready
        changes = []
        if self._peer is not None and self._peer.over is not None:
            self._drop(self._peer)
            changes.append(False)
        if self._peer is None and self._clock() >= self._dial_at and self._dial():
            changes.append(True)
        return changes

    def receive(self) -> list[bytes]:
        """Frames that have arrived."""
        peer = self._peer
        if peer is None or not (self._ready or peer.unread):
            return []
        peer.flush()
        frames = peer.read()
        if frames:
            self._pause = _PAUSE_SECONDS
        self._watch(peer)
        return frames

    def has_room(self) -> bool:
        """True while there is a connection that takes frames as fast as they are sent."""
        return self._peer is not None and self._peer.has_room

    def send(self, frame: bytes) -> bool:
        """Send a frame; False while there is no connection. What it does not take now is kept."""
        if self._peer is None:
            return False
        self._peer.send(frame)
        self._watch(self._peer)
        return True

    def next_time(self) -> float:
        """When ``changes`` has something to do at the latest."""
        if self._peer is None:
            return self._dial_at
        return 0.0 if self._peer.over is not None or self._peer.unread else float("inf")

    def hang_up(self) -> None:
        """Close the present connection; another is dialled."""
        if self._peer is not None:
            self._peer.over = self._peer.over or "hung up"

    def close(self) -> None:
        """Close for good, the selector too."""
        if self._peer is not None:
            self._peer.flush()
            self._peer.close()
        self.selector.close()

    def _dial(self) -> bool:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            connection.connect(self._path)  # at once, or not at all
        except OSError as error:
            connection.close()
            self._complain(error.strerror or str(error))
            self._put_off()
            return False
        self._quiet = True
        self._peer = Peer(connection, FRAME_LIMIT)
        self._peer.watched = self._peer.interest
        self.selector.register(connection, self._peer.watched)
        self.fileno = connection.fileno()
        return True

    def _drop(self, peer: Peer) -> None:
        self.selector.unregister(peer.socket)
        peer.close()
        self._peer = None
        self.fileno = -1
        self._put_off()

    def _put_off(self) -> None:
        self._dial_at = self._clock() + self._pause
        self._pause = min(self._pause * 2, _PAUSE_SECONDS_MAX)

    def _complain(self, why: str) -> None:
        if not self._quiet:
            self._quiet = True
            warn(f"cannot talk to {self._path}: {why}; goes on trying")

    def _watch(self, peer: Peer) -> None:
        if peer.over is None and peer.watched != peer.interest:
            peer.watched = peer.interest
            self.selector.modify(peer.socket, peer.watched)
