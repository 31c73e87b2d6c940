"""A door, and the connections that came in by it: many other ends, each known by its pipe."""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable, Iterable
from typing import Any

from crew_core._wire.link import FRAME_LIMIT
from crew_core._wire.notices import on_one_line, warn
from crew_core._wire.peer import Peer
from crew_core._wire.readiness import make_selector
from crew_core._wire.restraint import Restraint

_DOOR = 0  # pipes are numbered from 1
_LET_IN_AT_ONCE = 64
_PAUSE_SECONDS = 1.0  # for a door that fails, as when file descriptors run out


class StreamListener:
    """One door, many connections. See ``transport.Listener``.

    Args:
        door: a listening socket that does not block; owned from now on.
        clock: monotonic.
    """

    seconds_reconnect = 0.0

    def __init__(self, door: socket.socket, clock: Callable[[], float] = time.monotonic) -> None:
        self.selector: selectors.BaseSelector = make_selector()
        self._refusals = Restraint(clock)
        self._door = door
        self._door_open = False
        self._paused_until = 0.0
        self._clock = clock
        self._peers: dict[int, Peer] = {}
        self._unread: set[int] = set()
        self._drained: list[int] = []
        self._lost: list[int] = []
        self._complaints: list[str] = []
        self._next_pipe = 1
        self._mind_the_door()

    # ── What the owner calls ───────────────────────────────────────────────────────────────────

    @property
    def refused(self) -> int:
        """How many strangers were turned away so far."""
        return self._refusals.count

    def receive(self, ready: Iterable[int]) -> list[tuple[int, bytes]]:
        """Frames that have arrived, each with the number of its pipe."""
        frames: list[tuple[int, bytes]] = []
        if self._unread:
            ready, self._unread = {*self._unread, *ready}, set()
        for pipe in ready:
            if pipe == _DOOR:
                self._let_in()
            else:
                self._serve(pipe, frames)
        self._mind_the_door()
        return frames

    def has_room(self, pipe: int) -> bool:
        """True while a connection takes frames as fast as they are sent; False when it is gone."""
        peer = self._peers.get(pipe)
        return peer is not None and peer.has_room

    def send(self, pipe: int, frame: bytes) -> bool:
        """Send a frame; False when that connection is gone. What it does not take now is kept."""
        peer = self._peers.get(pipe)
        if peer is None:
            return False
        peer.send(frame)
        self._settle(pipe, peer)
        return peer.over is None

    def drained(self) -> list[int]:
        """Pipes that have room again since the last call."""
        drained, self._drained = self._drained, []
        return drained

    def lost(self) -> list[int]:
        """Pipes that closed since the last call."""
        lost, self._lost = self._lost, []
        return lost

    def identity(self, pipe: int) -> str | None:  # noqa: ARG002 - of use on a network
        """Nothing: who can open the door may come in, and a secret tells who is who."""
        return None

    def admit(self, pipe: int) -> None:
        """Nothing is held back from those who are not admitted yet."""

    def complaints(self) -> list[str]:
        """What went wrong at the door since the last call, in words for a person."""
        complaints, self._complaints = self._complaints, []
        return complaints

    def next_time(self) -> float:
        """When ``receive`` has something to do at the latest."""
        if self._unread or self._lost:
            return 0.0
        return float("inf") if self._door_open or self._is_full() else self._paused_until

    def refuse(self, pipe: int, why: str) -> None:
        """Close a connection that does not behave."""
        self._turn_away(pipe, why)

    def hang_up(self, pipe: int) -> None:
        """Close one connection. It shows up in ``lost`` later."""
        peer = self._peers.pop(pipe, None)
        if peer is None:
            return
        self._unread.discard(pipe)
        self.selector.unregister(peer.socket)
        peer.close()
        self._lost.append(pipe)

    def close(self) -> None:
        """Close the door, every connection and the selector."""
        for pipe in list(self._peers):
            self.hang_up(pipe)
        self.selector.close()
        self._door.close()

    # ── The door ───────────────────────────────────────────────────────────────────────────────

    def _places(self) -> int:
        """How many may come in now."""
        return _LET_IN_AT_ONCE

    def _is_full(self) -> bool:
        return self._places() <= 0

    def _let_in(self) -> None:
        for _ in range(min(_LET_IN_AT_ONCE, self._places())):
            try:
                connection, address = self._door.accept()
            except BlockingIOError:
                return
            except OSError as error:
                self._paused_until = self._clock() + _PAUSE_SECONDS
                self._complain(f"cannot let anybody in for a moment: {error.strerror}")
                return
            self._welcome(connection, address)

    def _welcome(self, connection: socket.socket, address: Any) -> None:  # noqa: ARG002 - of use on a network
        self._add(Peer(connection, FRAME_LIMIT))

    def _add(self, peer: Peer) -> int:
        pipe, self._next_pipe = self._next_pipe, self._next_pipe + 1
        self._peers[pipe] = peer
        peer.watched = peer.interest
        self.selector.register(peer.socket, peer.watched, pipe)
        return pipe

    def _mind_the_door(self) -> None:
        if not self._paused_until and self._door_open and not self._is_full():
            return
        wanted = not self._is_full() and self._clock() >= self._paused_until
        if wanted:
            self._paused_until = 0.0
        if wanted is not self._door_open:
            self._door_open = wanted
            if wanted:
                self.selector.register(self._door, selectors.EVENT_READ, _DOOR)
            else:
                self.selector.unregister(self._door)

    # ── Connections ────────────────────────────────────────────────────────────────────────────

    def _serve(self, pipe: int, frames: list[tuple[int, bytes]]) -> None:
        peer = self._peers.get(pipe)
        if peer is None:
            return
        if peer.shake_hands():
            if not peer.has_room and peer.flush():
                self._drained.append(pipe)
            frames += [(pipe, frame) for frame in self._hear(pipe, peer)]
        self._settle(pipe, peer)

    def _hear(self, pipe: int, peer: Peer) -> list[bytes]:  # noqa: ARG002 - of use on a network
        return peer.read()

    def _settle(self, pipe: int, peer: Peer) -> None:
        """After something was done with a connection: is it over, and what does it wait for?"""
        if peer.over is not None:
            self._turn_away(pipe, peer.over)
            return
        if peer.unread:
            self._unread.add(pipe)
        if peer.watched != peer.interest:
            peer.watched = peer.interest
            self.selector.modify(peer.socket, peer.watched, pipe)

    def _turn_away(self, pipe: int, why: str) -> None:  # noqa: ARG002 - told by the owner
        self.hang_up(pipe)

    def _complain(self, why: str) -> None:
        if not self._refusals.tells():
            return
        text = on_one_line(f"turned a stranger away ({self.refused} so far): {why}")
        warn(text)
        self._complaints.append(text)
