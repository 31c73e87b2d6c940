"""A worker's end: one connection at a time, dialled again whenever it breaks."""

from __future__ import annotations

import selectors

from simulator.listener import Network
from simulator.selector import Selector
from simulator.wires import Wire
from simulator.world import Process

CONNECT_SECONDS = 3.0
SILENT_SECONDS = 15.0
FILENO = 3
"""What a worker's selector knows its connection by."""

_DIAL_AGAIN_SECONDS = 1.0
_PAUSE_SECONDS = 0.1
_PAUSE_SECONDS_MAX = 2.0


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
            changes += [True] * (self.wire is not None)
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
        if self._fails_at != float("inf"):  # systems dial again and again
            self._fails_at = float("inf")
            self._dial_at = self._process.clock() + self._random.uniform(0.0, _DIAL_AGAIN_SECONDS)
            self._process.wake()

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
