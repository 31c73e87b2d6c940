"""The dispatcher's end of the network: lets nobody stay who does not prove who he is, and soon.

::

    door ─► stranger: handshake ─► one hello ─► admit() ─► worker: any number of frames
                │          within a time limit
                └─► turned away, counted, told

All strangers together cost little memory: there is a most of them, each may send one small frame,
and while there is no place for more, those who take their time make room.
"""

from __future__ import annotations

import logging
import selectors
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from crew_core._wire.link import FRAME_LIMIT
from crew_core._wire.network.peer import Peer
from crew_core._wire.network.tls import common_name

log = logging.getLogger("crew.dispatcher")

HELLO_LIMIT = 1 << 14
"""The largest frame of a stranger, in bytes."""

STRANGERS_MAX = 256
"""How many may be about to prove who they are; others wait outside."""

STRANGER_SECONDS = 15.0
"""How long a stranger may take, from the first packet to a hello that is accepted."""

PRESSED_SECONDS = 4.0
"""The same while all places are taken."""

_LET_IN_AT_ONCE = 64
_PAUSE_SECONDS = 1.0  # for a door that fails, as when file descriptors run out
_TOLD_ONE_BY_ONE = 20
_TOLD_EVERY = 1000


@dataclass(slots=True, eq=False)
class _Stranger:
    address: str
    since: float
    has_spoken: bool = False


class TcpListener:
    """One port, many workers.

    Args:
        door: a listening socket that does not block; owned from now on.
        context: for TLS; None: anybody may connect, unseen and unproved.
        clock: monotonic.

    Attributes:
        refused: how many strangers were turned away so far.
    """

    wake_fileno: int | None = None
    window = 16  # TCP holds its sender back; this bounds what is copied for a slow network
    seconds_reconnect = 10.0

    def __init__(
        self,
        door: socket.socket,
        context: ssl.SSLContext | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._door = door
        self._context = context
        self._clock = clock
        self._peers: dict[int, Peer] = {}
        self._strangers: dict[int, _Stranger] = {}  # the oldest first
        self._interest: dict[int, int] = {}
        self._unread: set[int] = set()
        self._lost: list[int] = []
        self._complaints: list[str] = []
        self._next_pipe = 1
        self._door_open = True
        self._paused_until = 0.0
        self.refused = 0
        self._selector = selectors.DefaultSelector()
        self._selector.register(door, selectors.EVENT_READ, 0)
        # A selector can be watched by another: the owner needs to know one number only.
        self.fileno: int = self._selector.fileno()

    # ── What the owner calls ───────────────────────────────────────────────────────────────────

    def receive(self) -> list[tuple[int, bytes]]:
        """Frames that have arrived, each with the number of its pipe."""
        now = self._clock()
        frames: list[tuple[int, bytes]] = []
        again, self._unread = self._unread, set()
        for key, _ in self._selector.select(0):
            if key.data:
                again.add(key.data)
            else:
                self._let_in(now)
        for pipe in again:
            self._serve(pipe, frames)
        self._lose_patience(now)
        self._mind_the_door(now)
        return frames

    def send(self, pipe: int, frame: bytes) -> bool:
        """Send a frame; False when that connection is gone."""
        peer = self._peers.get(pipe)
        if peer is None:
            return False
        peer.send(frame)
        self._settle(pipe, peer)
        return peer.over is None

    def lost(self) -> list[int]:
        """Pipes that closed since the last call."""
        lost, self._lost = self._lost, []
        return lost

    def identity(self, pipe: int) -> str | None:
        """The instance that the other end's certificate names; None without TLS."""
        peer = self._peers.get(pipe)
        if peer is None or not isinstance(peer.socket, ssl.SSLSocket):
            return None
        return common_name(peer.socket) or ""

    def admit(self, pipe: int) -> None:
        """The other end has proved who it is: it may stay and say more."""
        self._strangers.pop(pipe, None)
        peer = self._peers.get(pipe)
        if peer is not None:
            peer.set_limit(FRAME_LIMIT)

    def complaints(self) -> list[str]:
        """Strangers that were turned away since the last call, in words for a person."""
        complaints, self._complaints = self._complaints, []
        return complaints

    def next_time(self) -> float:
        """When ``receive`` has something to do at the latest."""
        if self._unread or self._lost:
            return 0.0
        full = self._is_full()
        reopening = float("inf") if self._door_open or full else self._paused_until
        oldest = next(iter(self._strangers.values()), None)
        patience = float("inf") if oldest is None else oldest.since + self._patience()
        return min(reopening, patience)

    def refuse(self, pipe: int, why: str) -> None:
        """Close a connection that does not behave."""
        self._turn_away(pipe, why)

    def hang_up(self, pipe: int) -> None:
        """Close one connection. It shows up in ``lost`` later."""
        peer = self._peers.pop(pipe, None)
        if peer is None:
            return
        self._strangers.pop(pipe, None)
        self._interest.pop(pipe, None)
        self._unread.discard(pipe)
        self._selector.unregister(peer.socket)
        peer.close()
        self._lost.append(pipe)

    def close(self) -> None:
        """Close the port and every connection."""
        for pipe in list(self._peers):
            self.hang_up(pipe)
        self._selector.close()
        self._door.close()

    # ── Connections ────────────────────────────────────────────────────────────────────────────

    def _let_in(self, now: float) -> None:
        for _ in range(min(_LET_IN_AT_ONCE, STRANGERS_MAX - len(self._strangers))):
            try:
                connection, address = self._door.accept()
            except BlockingIOError:
                return
            except OSError as error:
                self._paused_until = now + _PAUSE_SECONDS
                self._complain(f"cannot let anybody in for a moment: {error.strerror}")
                return
            self._welcome(connection, str(address[0]), now)

    def _welcome(self, connection: socket.socket, address: str, now: float) -> None:
        connection.setblocking(False)
        if self._context is not None:
            try:
                connection = self._context.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            except OSError as error:  # it has gone already
                connection.close()
                self._complain(f"{address}: {error.strerror}")
                return
        pipe, self._next_pipe = self._next_pipe, self._next_pipe + 1
        self._peers[pipe] = peer = Peer(connection, HELLO_LIMIT)
        self._strangers[pipe] = _Stranger(address, now)
        self._interest[pipe] = peer.interest
        self._selector.register(peer.socket, peer.interest, pipe)

    def _serve(self, pipe: int, frames: list[tuple[int, bytes]]) -> None:
        peer = self._peers.get(pipe)
        if peer is None:
            return
        if peer.shake_hands():
            peer.flush()
            arrived = peer.read()
            stranger = self._strangers.get(pipe)
            if stranger is not None and arrived:
                self._listen_to(stranger, peer, arrived)
            frames += [(pipe, frame) for frame in arrived]
        self._settle(pipe, peer)

    def _listen_to(self, stranger: _Stranger, peer: Peer, arrived: list[bytes]) -> None:
        """One word is all that a stranger has; keep the first of what it said."""
        if stranger.has_spoken or len(arrived) > 1:
            peer.over = "it talks before it was let in"
            del arrived[0 if stranger.has_spoken else 1 :]
        stranger.has_spoken = True

    def _settle(self, pipe: int, peer: Peer) -> None:
        """After something was done with a connection: is it over, and what does it wait for?"""
        if peer.over is not None:
            self._turn_away(pipe, peer.over)
            return
        if peer.unread:
            self._unread.add(pipe)
        if self._interest.get(pipe) != peer.interest:
            self._interest[pipe] = peer.interest
            self._selector.modify(peer.socket, peer.interest, pipe)

    def _turn_away(self, pipe: int, why: str) -> None:
        stranger = self._strangers.get(pipe)
        # One that was refused by its hello, and went, has been told of.
        if stranger is not None and not (stranger.has_spoken and why.startswith("closed")):
            self._complain(f"{stranger.address}: {why}")
        self.hang_up(pipe)

    # ── Strangers ──────────────────────────────────────────────────────────────────────────────

    def _is_full(self) -> bool:
        return len(self._strangers) >= STRANGERS_MAX

    def _patience(self) -> float:
        return PRESSED_SECONDS if self._is_full() else STRANGER_SECONDS

    def _lose_patience(self, now: float) -> None:
        patience = self._patience()
        for pipe, stranger in list(self._strangers.items()):
            if now < stranger.since + patience:
                return
            self._turn_away(pipe, f"did not prove who it is within {patience:g} s")

    def _mind_the_door(self, now: float) -> None:
        wanted = not self._is_full() and now >= self._paused_until
        if wanted is not self._door_open:
            self._door_open = wanted
            if wanted:
                self._selector.register(self._door, selectors.EVENT_READ, 0)
            else:
                self._selector.unregister(self._door)

    def _complain(self, why: str) -> None:
        self.refused += 1
        if self.refused > _TOLD_ONE_BY_ONE and self.refused % _TOLD_EVERY:
            return  # a scanner must not fill anybody's log
        text = f"turned a stranger away ({self.refused} so far): {why}"
        log.warning("%s", text)
        self._complaints.append(text)
