"""A worker's end of the network: finds the dispatcher among its addresses, again and again.

::

    address 1 ─► connect ─► TLS ─► hello goes, welcome comes: this address it is
        │ no, or too slow
    address 2 ─► ...
        │ no
    a pause that grows from round to round, and round again
"""

from __future__ import annotations

import os
import random
import selectors
import socket
import ssl
import time
from collections.abc import Callable

from crew_core._wire.link import FRAME_LIMIT
from crew_core._wire.network.door import join_address
from crew_core._wire.network.peer import NetworkPeer
from crew_core._wire.network.tls import is_expected
from crew_core._wire.notices import warn
from crew_core._wire.readiness import make_selector

CONNECT_SECONDS = 3.0
"""How long an address may take to answer at all."""

WELCOME_SECONDS = 15.0
"""How long a dispatcher may take for the handshake and its first word; it may be very busy."""

SILENT_SECONDS = 15.0
"""A connection that brings nothing for this long, not even answers to heartbeats, is dead."""

_PAUSE_SECONDS = 0.1
_PAUSE_SECONDS_MAX = 2.0


class TcpDialer:
    """One connection at a time, dialled again whenever it breaks.

    Args:
        addresses: where the dispatcher may be, the most likely first.
        context: for TLS; None: plain TCP.
        digest: SHA-256 of the one certificate that the dispatcher must show.
        clock: monotonic.
    """

    def __init__(
        self,
        addresses: list[tuple[str, int]],
        context: ssl.SSLContext | None,
        digest: bytes = b"",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._addresses = addresses
        self._context = context
        self._digest = digest
        self._clock = clock
        self._at = 0  # the address that is tried
        self._rounds = 0  # all of them failed, this often in a row
        self._failed = 0  # of this round
        self._dial_at = clock()
        self._connecting: socket.socket | None = None
        self._peer: NetworkPeer | None = None
        self._came = False  # the owner was told of the connection
        self._proved = False  # the dispatcher has said something on it
        self._deadline = float("inf")
        self._changes: list[bool] = []
        self._complaints: set[str] = set()
        self._ready = False
        self.fileno = -1
        self.selector: selectors.BaseSelector = make_selector()

    # ── What the owner calls ───────────────────────────────────────────────────────────────────

    def changes(self, ready: bool) -> list[bool]:
        """What happened to the connection since the last call: True came, False went."""
        now = self._clock()
        self._ready = ready
        if self._connecting is not None and ready:
            self._connected(now)
        if self._peer is not None and not self._came and self._peer.shake_hands():
            self._shook_hands()
        self._judge(now, late=not ready and now >= self._deadline)
        if self._connecting is None and self._peer is None and now >= self._dial_at:
            self._dial(now)
        changes, self._changes = self._changes, []
        return changes

    def receive(self) -> list[bytes]:
        """Frames that have arrived."""
        if self._peer is None or not self._came or not (self._ready or self._peer.unread):
            return []
        self._peer.flush()
        frames = self._peer.read()
        if frames and not self._proved:
            self._proved = True
            self._rounds = self._failed = 0
        if self._proved and self._peer.heard:
            self._deadline = self._clock() + SILENT_SECONDS
        self._watch(self._peer)
        return frames

    def has_room(self) -> bool:
        """True while there is a connection that takes frames as fast as they are sent."""
        return self._peer is not None and self._came and self._peer.has_room

    def send(self, frame: bytes) -> bool:
        """Send a frame; False while there is no connection. What it does not take now is kept."""
        if self._peer is None or not self._came:
            return False
        self._peer.send(frame)
        self._watch(self._peer)
        return True

    def next_time(self) -> float:
        """When ``changes`` has something to do at the latest."""
        if self._peer is None and self._connecting is None:
            return self._dial_at
        if self._changes or (self._peer is not None and (self._peer.over or self._peer.unread)):
            return 0.0
        return self._deadline

    def hang_up(self) -> None:
        """Close the present connection; another is dialled."""
        if self._peer is not None:
            self._peer.over = self._peer.over or "hung up"

    def close(self) -> None:
        """Close for good, the selector too."""
        if self._peer is not None:
            self._peer.flush()
            self._peer.close()
        if self._connecting is not None:
            self._connecting.close()
        self.selector.close()

    # ── One connection after the other ─────────────────────────────────────────────────────────

    def _dial(self, now: float) -> None:
        host, port = self._addresses[self._at]
        try:
            family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            connection = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:
            self._fail(error.strerror or str(error), now)
            return
        connection.setblocking(False)
        self._connecting = connection
        self._deadline = now + CONNECT_SECONDS
        self.fileno = connection.fileno()
        self.selector.register(connection, selectors.EVENT_WRITE)
        try:
            connection.connect(address)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(error.strerror or str(error), now)

    def _connected(self, now: float) -> None:
        connection = self._connecting
        assert connection is not None
        error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._fail(os.strerror(error), now)
            return
        self.selector.unregister(connection)
        self._connecting = None
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, do_handshake_on_connect=False)
        except OSError as failure:
            connection.close()
            self._fail(str(failure), now)
            return
        self._peer = NetworkPeer(connection, FRAME_LIMIT)
        self._deadline = now + WELCOME_SECONDS
        self._peer.watched = self._peer.interest
        self.selector.register(connection, self._peer.watched)

    def _shook_hands(self) -> None:
        assert self._peer is not None
        connection = self._peer.socket
        if isinstance(connection, ssl.SSLSocket) and not is_expected(connection, self._digest):
            self._peer.over = "it is not our dispatcher: its certificate is another"
            return
        self._came = True
        self._changes.append(True)

    def _judge(self, now: float, *, late: bool) -> None:
        """See whether what there is has failed."""
        if self._connecting is not None and late:
            self._fail(f"no answer within {CONNECT_SECONDS:g} s", now)
        elif self._peer is not None:
            if self._peer.over is None and late:
                self._peer.over = "it has fallen silent" if self._proved else "it says nothing"
            if self._peer.over is not None:
                self._fail(self._peer.over, now)
            else:
                self._watch(self._peer)

    def _fail(self, why: str, now: float) -> None:
        """Give the present connection up, and settle when to dial which address next."""
        self._complain(why)
        for connection in (self._connecting, None if self._peer is None else self._peer.socket):
            if connection is not None:
                self.selector.unregister(connection)
                connection.close()
        if self._came:
            self._changes.append(False)
        if self._proved:  # the address was right, so try it first
            self._dial_at = now + _PAUSE_SECONDS * random.uniform(0.5, 1.5)
        else:
            self._try_next(now)
        self._connecting = self._peer = None
        self.fileno = -1
        self._came = self._proved = False
        self._deadline = float("inf")

    def _try_next(self, now: float) -> None:
        self._at = (self._at + 1) % len(self._addresses)
        self._failed += 1
        self._dial_at = now
        if self._failed >= len(self._addresses):
            pause = min(_PAUSE_SECONDS * 2**self._rounds, _PAUSE_SECONDS_MAX)
            # At random, lest thousands of workers come back in step.
            self._dial_at += pause * random.uniform(0.5, 1.5)
            self._rounds = min(self._rounds + 1, 10)
            self._failed = 0

    def _watch(self, peer: NetworkPeer) -> None:
        if peer.over is None and peer.watched != peer.interest:
            peer.watched = peer.interest
            self.selector.modify(peer.socket, peer.watched)

    def _complain(self, why: str) -> None:
        address = join_address(*self._addresses[self._at])
        text = f"cannot talk to {address}: {why}; goes on trying"
        if text not in self._complaints:
            self._complaints.add(text)
            warn(text)
