"""The dispatcher's end of the network: lets nobody stay who does not prove who he is, and soon.

::

    door ─► stranger: handshake ─► one hello ─► admit() ─► worker: any number of frames
                │          within a time limit
                └─► turned away, counted, told

All strangers together cost little memory: there is a most of them, each may send one small frame,
and while there is no place for more, those who take their time make room, the silent ones first.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from crew_core._wire.link import FRAME_LIMIT
from crew_core._wire.listener import StreamListener
from crew_core._wire.network.peer import LOOKED_IN, NetworkPeer
from crew_core._wire.network.tls import common_name
from crew_core._wire.peer import Peer

HELLO_LIMIT = 1 << 14
"""The largest frame of a stranger, in bytes."""

STRANGERS_MAX = 256
"""How many may be about to prove who they are; others wait outside."""

STRANGER_SECONDS = 15.0
"""How long a stranger may take, from the first packet to a hello that is accepted."""

PRESSED_SECONDS = 2.0
"""The same while nobody else can come in. A crowd that fills all places and the queue outside must
have made room before a worker that waits behind it gives up."""

MUTE_SECONDS = 0.25
"""The same for who has not said a word: a worker says its first as soon as it is connected."""

LOOKS_UNTOLD = 256
"""Who connects and goes without a word may be a host that tries which of our addresses it reaches.
So many are no news; more are strangers as any."""

_SHARE = 4  # the part of the file descriptors that strangers may take


@dataclass(slots=True, eq=False)
class _Stranger:
    address: str
    since: float
    has_spoken: bool = False


def strangers_most(descriptors: float) -> int:
    """How many strangers there may be for a process that may have so many file descriptors."""
    return int(max(1, min(STRANGERS_MAX, descriptors // _SHARE)))


class TcpListener(StreamListener):
    """One port, many workers.

    Args:
        door: a listening socket that does not block; owned from now on.
        context: for TLS; None: anybody may connect, unseen and unproved.
        clock: monotonic.
        most: strangers at once.
    """

    seconds_reconnect = 10.0

    def __init__(
        self,
        door: socket.socket,
        context: ssl.SSLContext | None,
        clock: Callable[[], float] = time.monotonic,
        most: int = STRANGERS_MAX,
    ) -> None:
        self._context = context
        self._most = most
        self._strangers: dict[int, _Stranger] = {}  # the oldest first
        self._looks = 0
        self._mute: dict[int, None] = {}  # those of whom nothing has come, the oldest first
        super().__init__(door, clock)

    # ── What the owner calls ───────────────────────────────────────────────────────────────────

    def receive(self, ready: Iterable[int]) -> list[tuple[int, bytes]]:
        """Frames that have arrived, each with the number of its pipe."""
        now = self._clock()  # who comes meanwhile has not been looked at
        frames = super().receive(ready)
        if self._strangers:
            self._lose_patience(now)
            self._mind_the_door()
        return frames

    def identity(self, pipe: int) -> str | None:
        """The instance that the other end's certificate names; None without TLS."""
        peer = self._peers.get(pipe)
        if peer is None or not isinstance(peer.socket, ssl.SSLSocket):
            return None
        return common_name(peer.socket) or ""

    def admit(self, pipe: int) -> None:
        """The other end has proved who it is: it may stay and say more."""
        self._forget_stranger(pipe)
        peer = self._peers.get(pipe)
        if peer is not None:
            peer.set_limit(FRAME_LIMIT)

    def next_time(self) -> float:
        """When ``receive`` has something to do at the latest."""
        due = super().next_time()
        for pipes, patience in self._limits():
            if pipes:
                due = min(due, self._strangers[next(iter(pipes))].since + patience)
        return due

    def hang_up(self, pipe: int) -> None:
        """Close one connection. It shows up in ``lost`` later."""
        self._forget_stranger(pipe)
        super().hang_up(pipe)

    # ── Strangers ──────────────────────────────────────────────────────────────────────────────

    def _places(self) -> int:
        return self._most - len(self._strangers)

    def _welcome(self, connection: socket.socket, address: Any) -> None:
        connection.setblocking(False)
        if self._context is not None:
            try:
                connection = self._context.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                )
            except OSError as error:  # it has gone already
                connection.close()
                self._complain(f"{address[0]}: {error.strerror}")
                return
        pipe = self._add(NetworkPeer(connection, HELLO_LIMIT))
        self._strangers[pipe] = _Stranger(str(address[0]), self._clock())
        self._mute[pipe] = None

    def _serve(self, pipe: int, frames: list[tuple[int, bytes]]) -> None:
        self._mute.pop(pipe, None)
        super()._serve(pipe, frames)

    def _hear(self, pipe: int, peer: Peer) -> list[bytes]:
        """All that a worker says; of a stranger, one word, the first."""
        arrived = peer.read()
        stranger = self._strangers.get(pipe)
        if stranger is not None and arrived:
            if stranger.has_spoken or len(arrived) > 1:
                peer.over = "it talks before it was let in"
                del arrived[0 if stranger.has_spoken else 1 :]
            stranger.has_spoken = True
        return arrived

    def _turn_away(self, pipe: int, why: str) -> None:
        stranger = self._strangers.get(pipe)
        # One that was refused by its hello, and went, has been told of.
        told = stranger is not None and stranger.has_spoken and why.startswith("closed")
        if stranger is not None and not told and not self._is_look(why):
            self._complain(f"{stranger.address}: {why}")
        super()._turn_away(pipe, why)

    def _is_look(self, why: str) -> bool:
        """True for one who only looked whether somebody listens, unless there are very many."""
        if why != LOOKED_IN:
            return False
        self._looks += 1
        return self._looks <= LOOKS_UNTOLD

    def _forget_stranger(self, pipe: int) -> None:
        self._strangers.pop(pipe, None)
        self._mute.pop(pipe, None)

    def _limits(self) -> list[tuple[Mapping[int, object], float]]:
        """Pipes of strangers, the oldest first, and how long they may take."""
        # Paused: there are no file descriptors left, and each stranger has one.
        if self._is_full() or self._paused_until:
            return [(self._mute, MUTE_SECONDS), (self._strangers, PRESSED_SECONDS)]
        return [(self._strangers, STRANGER_SECONDS)]

    def _lose_patience(self, now: float) -> None:
        for pipes, patience in self._limits():
            while pipes:
                pipe = next(iter(pipes))
                if now < self._strangers[pipe].since + patience:
                    break
                self._turn_away(pipe, f"did not prove who it is within {patience:g} s")
