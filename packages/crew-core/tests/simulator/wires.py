"""Connections between workers and the dispatcher, as both ends see them: streams that may break."""

from __future__ import annotations

import selectors
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from random import Random
from typing import Any

from simulator.world import Process, World

CAPACITY = 1 << 18
"""So many bytes that were not read keep a connection from taking more."""

CONNECT_SECONDS = 3.0
SILENT_SECONDS = 15.0
_PAUSE_SECONDS = 0.1
_PAUSE_SECONDS_MAX = 2.0


class Selector(selectors.BaseSelector):
    """Tells who has something to say. It never waits: whoever asks was woken."""

    def __init__(self) -> None:
        self._keys: dict[Any, selectors.SelectorKey] = {}
        self._ready: dict[Any, None] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = selectors.SelectorKey(fileobj, fileobj if type(fileobj) is int else 0, events, data)
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        self._ready.pop(fileobj, None)
        return self._keys.pop(fileobj)

    def mark(self, fileobj: Any) -> None:
        """It has something to say."""
        self._ready[fileobj] = None

    def events(self, fileobj: Any) -> int:
        """What somebody wants to know of it."""
        key = self._keys.get(fileobj)
        return 0 if key is None else key.events

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        keys = self._keys
        ready = [(keys[one], selectors.EVENT_READ) for one in self._ready if one in keys]
        self._ready.clear()
        return ready

    def get_map(self) -> Any:
        return self._keys


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
        self._held: list[Callable[[], None]] = []

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
        self._held.clear()
        self._end()

    def heal(self) -> None:
        """What was held up goes on its way."""
        held, self._held = self._held, []
        for arrival in held:
            self._arrive(arrival)

    def _arrive(self, arrival: Callable[[], None]) -> None:
        wire = self.wire
        self._last = max(self._last, wire.world.now + wire.latency())
        wire.world.at(self._last, partial(self._come, arrival))

    def _come(self, arrival: Callable[[], None]) -> None:
        if self.wire.cut:
            self._held.append(arrival)
        else:
            arrival()

    def _take(self, frame: bytes) -> None:
        if self.over is not None:
            return
        self.inbox.append(frame)
        if self.wire.doubles():
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


class VirtualListener:
    """The dispatcher's end of all connections.

    Args:
        seconds_reconnect: as of crew's listeners.
        wake: gives the dispatcher a turn.
    """

    def __init__(self, seconds_reconnect: float, wake: Callable[[], None]) -> None:
        self.selector: selectors.BaseSelector = Selector()
        self.seconds_reconnect = seconds_reconnect
        self.pipes: dict[int, End] = {}
        self.is_open = True
        self._wake = wake
        self._selector = self.selector
        self._next = 1
        self._full: set[int] = set()
        self._drained: list[int] = []
        self._lost: list[int] = []

    def let_in(self, end: End) -> None:
        """Somebody has dialled."""
        pipe, self._next = self._next, self._next + 1
        self.pipes[pipe] = end
        self._selector.register(pipe, selectors.EVENT_READ, pipe)

        def ready() -> None:
            assert isinstance(self._selector, Selector)
            self._selector.mark(pipe)
            self._wake()

        end.ready = ready

    def receive(self, ready: Iterable[int]) -> list[tuple[int, bytes]]:
        frames: list[tuple[int, bytes]] = []
        for pipe in ready:
            end = self.pipes.get(pipe)
            if end is None:
                continue
            frames += [(pipe, frame) for frame in end.read()]
            if end.over is not None:
                self.hang_up(pipe)
            elif pipe in self._full and end.has_room():
                self._full.remove(pipe)
                self._drained.append(pipe)
        return frames

    def has_room(self, pipe: int) -> bool:
        end = self.pipes.get(pipe)
        if end is None:
            return False
        if not end.has_room():
            self._full.add(pipe)
        return pipe not in self._full

    def send(self, pipe: int, frame: bytes) -> bool:
        end = self.pipes.get(pipe)
        if end is None:
            return False
        end.send(frame)
        return end.over is None

    def drained(self) -> list[int]:
        drained, self._drained = self._drained, []
        return drained

    def lost(self) -> list[int]:
        lost, self._lost = self._lost, []
        return lost

    def identity(self, pipe: int) -> str | None:
        return None

    def admit(self, pipe: int) -> None:
        pass

    def complaints(self) -> list[str]:
        return []

    def next_time(self) -> float:
        return 0.0 if self._lost else float("inf")

    def refuse(self, pipe: int, why: str) -> None:
        self.hang_up(pipe)

    def hang_up(self, pipe: int) -> None:
        end = self.pipes.pop(pipe, None)
        self._full.discard(pipe)
        if end is not None:
            self._selector.unregister(pipe)
            end.close()
            self._lost.append(pipe)

    def close(self) -> None:
        self.is_open = False
        for pipe in list(self.pipes):
            self.hang_up(pipe)


class Network:
    """Makes connections, and knows which there are.

    Args:
        world: where it is.
        listener: whom workers dial.
        seconds: the shortest and the longest time that a frame takes.
        doubled: how many of the frames come twice.
    """

    def __init__(
        self,
        world: World,
        listener: VirtualListener,
        seconds: tuple[float, float],
        doubled: float,
    ) -> None:
        self._world = world
        self._listener = listener
        self._seconds = seconds
        self._doubled = doubled
        self._made = 0

    def connect(self) -> Wire | None:
        """Dial the dispatcher. None when it is gone."""
        if not self._listener.is_open:
            return None
        self._made += 1
        random = self._world.random(f"wire {self._made}")
        wire = Wire(self._world, random, self._seconds, self._doubled)
        self._listener.let_in(wire.dispatcher)
        return wire


class VirtualDialer:
    """A worker's end: one connection at a time, dialled again whenever it breaks.

    Args:
        process: the worker.
        network: where the dispatcher is.
        is_local: a dispatcher that does not listen is refused at once, and silence means nothing.

    Attributes:
        cut_off: nothing gets through, to the dispatcher or from it.
    """

    def __init__(self, process: Process, network: Network, *, is_local: bool) -> None:
        self.selector: selectors.BaseSelector = Selector()
        self.fileno = -1
        self.cut_off = False
        self.wire: Wire | None = None
        self._process = process
        self._network = network
        self._is_local = is_local
        self._random = process.world.random(f"dialer of {process.name}")
        self._dial_at = process.clock()
        self._pause = _PAUSE_SECONDS
        self._fails_at = float("inf")
        self._deadline = float("inf")
        self._hung_up = False
        self._cut: list[Wire] = []

    # ── What the supervisor calls ──────────────────────────────────────────────────────────────

    def changes(self, ready: bool) -> list[bool]:
        now = self._process.clock()
        if self._fails_at <= now:
            self._fails_at = float("inf")
            self._put_off(now)
        changes = []
        if self.wire is not None and self._is_bad(self.wire, now):
            self.close()
            self._put_off(now)
            changes.append(False)
        if self.wire is None and self._fails_at == float("inf") and now >= self._dial_at:
            self._dial(now)
            if self.wire is not None:
                changes.append(True)
        return changes

    def receive(self) -> list[bytes]:
        if self.wire is None:
            return []
        frames = self.wire.worker.read()
        if frames:
            self._pause = _PAUSE_SECONDS
            if not self._is_local:
                self._deadline = self._process.clock() + SILENT_SECONDS
        return frames

    def has_room(self) -> bool:
        return self.wire is not None and self.wire.worker.has_room()

    def send(self, frame: bytes) -> bool:
        if self.wire is None:
            return False
        self.wire.worker.send(frame)
        return True

    def next_time(self) -> float:
        if self.wire is None:
            return self._dial_at if self._fails_at == float("inf") else self._fails_at
        return 0.0 if self._hung_up or self.wire.worker.over else self._deadline

    def hang_up(self) -> None:
        self._hung_up = True

    def close(self) -> None:
        if self.wire is not None:
            self.wire.worker.close()
            self.selector.unregister(FILENO)
        self.wire = None
        self.fileno = -1
        self._hung_up = False

    # ── What befalls it ────────────────────────────────────────────────────────────────────────

    def cut(self) -> None:
        """Nothing gets through from now on."""
        self.cut_off = True
        if self.wire is not None:
            self.wire.cut = True
            self._cut.append(self.wire)

    def heal(self) -> None:
        """Everything gets through again."""
        self.cut_off = False
        cut, self._cut = self._cut, []
        for wire in cut:
            wire.heal()

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _is_bad(self, wire: Wire, now: float) -> bool:
        return (
            self._hung_up
            or (wire.worker.over is not None and not wire.worker.inbox)
            or (now >= self._deadline)
        )

    def _dial(self, now: float) -> None:
        if self.cut_off:
            self._fails_at = now + CONNECT_SECONDS
            return
        self.wire = self._network.connect()
        if self.wire is None:
            self._put_off(now)
            return
        self.fileno = FILENO
        self.selector.register(FILENO, selectors.EVENT_READ)
        self._deadline = float("inf") if self._is_local else now + SILENT_SECONDS
        self.wire.worker.ready = self._ready

    def _ready(self) -> None:
        assert isinstance(self.selector, Selector)
        self.selector.mark(FILENO)
        self._process.wake()

    def _put_off(self, now: float) -> None:
        self._dial_at = now + self._pause * self._random.uniform(0.5, 1.5)
        self._pause = min(self._pause * 2, _PAUSE_SECONDS_MAX)


FILENO = 3
"""What a worker's selector knows its connection by."""


def _do_nothing() -> None:
    pass
