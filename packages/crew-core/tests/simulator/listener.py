"""The dispatcher's end of the connections, and how workers get one."""

from __future__ import annotations

import selectors
from collections.abc import Callable, Iterable

from simulator.selector import Selector
from simulator.wires import End, Wire
from simulator.world import World


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
