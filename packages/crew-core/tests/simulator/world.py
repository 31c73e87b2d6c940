"""Virtual time, and what is to happen when."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random

Event = Callable[[], None]
_AT_ONCE_MAX = 1000


class World:
    """All that is to happen, in order of time.

    Args:
        seed: of all that is random.
        trace: told what happens, in words; None: nobody listens.

    Attributes:
        now: seconds since the world began.
        events: how many have happened.
    """

    def __init__(self, seed: int, trace: Callable[[str], None] | None = None) -> None:
        self.seed = seed
        self.now = 1000.0
        self.events = 0
        self.traced = trace is not None
        self._trace = trace
        self._queue: list[tuple[float, int, Event]] = []
        self._number = 0

    def random(self, name: str) -> Random:
        """Numbers for one part of the world, whatever the others draw."""
        return Random(f"{self.seed}/{name}")

    def at(self, when: float, event: Event) -> None:
        """Let something happen at that time."""
        self._number += 1
        heapq.heappush(self._queue, (when, self._number, event))

    def after(self, seconds: float, event: Event) -> None:
        """Let something happen so many seconds from now."""
        self.at(self.now + seconds, event)

    def step(self) -> bool:
        """Let the next thing happen. False when there is none."""
        if not self._queue:
            return False
        when, _, event = heapq.heappop(self._queue)
        self.now = max(self.now, when)
        self.events += 1
        event()
        return True

    def tell(self, who: str, what: str) -> None:
        """Write down what happens. Ask ``traced`` first where words cost time."""
        if self._trace is not None:
            self._trace(f"{self.now - 1000:12.6f}  {who:<14} {what}")


class SpinError(Exception):
    """A process burns its processor: it asks for turn after turn, and nothing comes of them."""


class Process:
    """A virtual process: it is given turns when it is woken, and when it asked to be.

    Args:
        world: where it lives.
        name: for the trace.
        reaction: how long it takes to be given a turn, at least and at most.

    Attributes:
        frozen: it gets no turns.
        ended: it will never get one again.
    """

    def __init__(self, world: World, name: str, reaction: tuple[float, float]) -> None:
        self.world = world
        self.name = name
        self.frozen = False
        self.ended = False
        self._offset = 0.0
        self._reaction = reaction
        self._turns = world.random(f"turns of {name}")
        self._scheduled = float("inf")
        self._at_once = 0  # turns in a row that were to follow at once, with nobody waking it

    def clock(self) -> float:
        """Its own monotonic time."""
        return self.world.now + self._offset

    def jump(self, seconds: float) -> None:
        """Let its clock leap ahead, as that of a machine that was suspended does."""
        self._offset += seconds
        self.wake()

    def wake(self) -> None:
        """Something came for it."""
        self._at_once = 0
        low, high = self._reaction
        self._schedule(self.world.now + low + (high - low) * self._turns.random())

    def freeze(self, seconds: float) -> None:
        """Stop it, and let it go on later."""
        self.frozen = True
        self.world.after(seconds, self._thaw)

    def turn(self) -> float:
        """Do what is to be done; when to be called again at the latest, by its own clock."""
        raise NotImplementedError

    def _thaw(self) -> None:
        if self.frozen:
            self.frozen = False
            self.wake()

    def _schedule(self, when: float) -> None:
        if when < self._scheduled:
            self._scheduled = when
            self.world.at(when, self._fire)

    def _fire(self) -> None:
        if self.world.now < self._scheduled or self.ended:
            return  # it has had its turn since
        self._scheduled = float("inf")
        if not self.frozen:
            due = self.turn()
            if due != float("inf") and not self.ended:
                # A little later: what is due at a time is not due an instant before.
                self._schedule(max(due - self._offset, self.world.now) + 1e-6)
                self._at_once = self._at_once + 1 if due <= self.clock() else 0
                if self._at_once > _AT_ONCE_MAX:
                    raise SpinError(f"{self.name} spins")
