"""Connections between workers and the dispatcher: streams that may break."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from random import Random

from crew_core._wire.link import is_opening
from simulator.world import World

CAPACITY = 1 << 18
"""So many bytes that were not read keep a connection from taking more."""


class End:
    """One end of a connection.

    Attributes:
        inbox: frames that came and were not read.
        over: why it is of no use any more; None while it is.
        ready: called when there is something to read, or room again.
    """

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.inbox: deque[bytes] = deque()
        self.over: str | None = None
        self.ready: Callable[[], None] = _do_nothing
        self.peer: End = self
        self.blocked = False  # its owner was told that there is no room
        self.waiting = 0  # bytes on their way to it, or not read by it
        self._last = 0.0  # when what was last sent to it arrives
        self._under_way: deque[Callable[[], None]] = deque()
        self._late = 0  # so many of them would be here, were they not held up

    def has_room(self) -> bool:
        """True while the connection takes frames as fast as they are sent."""
        if self.over is None and self.peer.waiting <= CAPACITY:
            return True
        self.blocked = self.over is None
        return False

    def send(self, frame: bytes) -> None:
        """Send a frame to the other end."""
        if self.over is None:
            self.peer.waiting += len(frame)
            self.peer._arrive(partial(self.peer._take, frame))

    def read(self) -> list[bytes]:
        """What has come."""
        if not self.inbox:
            return []
        frames = list(self.inbox)
        self.inbox.clear()
        self.waiting -= sum(map(len, frames))
        if self.peer.blocked and self.waiting <= CAPACITY:
            self.peer.blocked = False
            self.peer.ready()
        return frames

    def close(self) -> None:
        """Close it: the other end hears of it after all that was sent."""
        if self.over is None:
            self.over = "closed"
            self.peer._arrive(self.peer._end)
        self.inbox.clear()

    def reset(self) -> None:
        """It breaks; what was on its way to here is lost."""
        self._under_way.clear()
        self._end()

    def heal(self) -> None:
        """What was held up goes on its way."""
        late, self._late = self._late, 0
        for _ in range(late):
            self._plan()

    def _arrive(self, arrival: Callable[[], None]) -> None:
        self._under_way.append(arrival)
        self._plan()

    def _plan(self) -> None:
        """Let one more of what is under way come. It comes in order, whatever is held up."""
        wire = self.wire
        self._last = max(self._last, wire.world.now + wire.latency())
        wire.world.at(self._last, self._come)

    def _come(self) -> None:
        if self.wire.cut:
            self._late += 1
        elif self._under_way:
            self._under_way.popleft()()

    def _take(self, frame: bytes) -> None:
        if self.over is not None:
            return
        self.inbox.append(frame)
        if not is_opening(frame) and self.wire.doubles():
            self.waiting += len(frame)
            self.inbox.append(frame)
        self.ready()

    def _end(self) -> None:
        if self.over is None:
            self.over = "closed by the other end"
            self.ready()


class Wire:
    """A connection.

    Args:
        world: where it is.
        random: draws latencies.
        seconds: the shortest and the longest time that a frame takes.
        doubled: how many of the frames come twice.

    Attributes:
        cut: nothing gets through, and nobody hears of it.
    """

    def __init__(
        self, world: World, random: Random, seconds: tuple[float, float], doubled: float
    ) -> None:
        self.world = world
        self.cut = False
        self._random = random
        self._seconds = seconds
        self._doubled = doubled
        self.worker, self.dispatcher = End(self), End(self)
        self.worker.peer, self.dispatcher.peer = self.dispatcher, self.worker

    @property
    def is_over(self) -> bool:
        """True when both ends know that it is."""
        return self.worker.over is not None and self.dispatcher.over is not None

    def latency(self) -> float:
        """How long the next frame takes. Frames of one direction do not overtake each other."""
        low, high = self._seconds
        return low + (high - low) * self._random.random() ** 3

    def doubles(self) -> bool:
        """True when a frame comes twice."""
        return self._doubled > 0 and self._random.random() < self._doubled

    def reset(self) -> None:
        """Both ends hear that it broke; what was on its way is lost."""
        self.worker.reset()
        self.dispatcher.reset()

    def heal(self) -> None:
        """Let through again."""
        self.cut = False
        self.worker.heal()
        self.dispatcher.heal()


def _do_nothing() -> None:
    pass
