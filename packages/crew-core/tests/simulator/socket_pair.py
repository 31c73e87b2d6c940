"""The stream between the user's program and the dispatcher, in virtual time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from simulator.world import World

CAPACITY = 212_992  # bytes, as of a unix socket on Linux


class VirtualSocket:
    """One end, as much of it as streams use. It never blocks.

    Args:
        world: where it is.
        seconds: how long bytes take.

    Attributes:
        ready: called when bytes came, or there is room again.
        closed: there will be no more.
    """

    def __init__(self, world: World, seconds: float) -> None:
        self.peer: VirtualSocket = self
        self.ready: Callable[[], None] = lambda: None
        self.closed = False
        self._world = world
        self._seconds = seconds
        self._came: deque[bytes] = deque()
        self._size = 0  # of what came, and of what is on its way
        self._at_end = False

    @property
    def is_readable(self) -> bool:
        """True when there are bytes, or it is over."""
        return bool(self._came) or self._at_end

    @property
    def has_room(self) -> bool:
        """True when something can be sent."""
        return self.peer._size < CAPACITY

    def setblocking(self, blocking: bool) -> None:
        pass

    def recv_into(self, buffer: memoryview) -> int:
        if not self._came:
            if self._at_end:
                return 0
            raise BlockingIOError
        was_full = self._size >= CAPACITY
        count = 0
        while self._came and count < len(buffer):
            part = self._came[0][: len(buffer) - count]
            buffer[count : count + len(part)] = part
            count += len(part)
            if len(part) == len(self._came[0]):
                self._came.popleft()
            else:
                self._came[0] = self._came[0][len(part) :]
        self._size -= count
        if was_full and self._size < CAPACITY:
            self.peer.ready()
        return count

    def send(self, data: Any) -> int:
        if self.closed or self.peer.closed:
            raise BrokenPipeError
        room = CAPACITY - self.peer._size
        if room <= 0:
            raise BlockingIOError
        sent = bytes(data[:room])
        self.peer._size += len(sent)
        # In order: no later bytes take less time.
        self._world.after(self._seconds, partial(self.peer._take, sent))
        return len(sent)

    def sendmsg(self, parts: Sequence[Any]) -> int:
        return self.send(b"".join(parts))

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._world.after(self._seconds, self.peer._end)

    def _take(self, data: bytes) -> None:
        self._came.append(data)
        self.ready()

    def _end(self) -> None:
        self._at_end = True
        self.ready()


def socket_pair(world: World, seconds: float) -> tuple[VirtualSocket, VirtualSocket]:
    """Two ends of one stream."""
    one, other = VirtualSocket(world, seconds), VirtualSocket(world, seconds)
    one.peer, other.peer = other, one
    return one, other
