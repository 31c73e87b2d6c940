"""The virtual dispatcher: crew's own loop and state, told when to turn."""

from __future__ import annotations

import selectors
from collections.abc import Callable
from typing import Any, cast

from msgspec.structs import replace

from crew_core._dispatcher.loop import DispatcherLoop
from crew_core._dispatcher.state import DispatcherState
from crew_core._wire import messages
from simulator.listener import VirtualListener
from simulator.selector import Selector
from simulator.socket_pair import VirtualSocket
from simulator.world import Process, World

_REACTION = (0.00005, 0.0005)
_SIGNAL_FD = -10


class _Loop(DispatcherLoop):
    """Crew's own, which counts what comes and goes."""

    received = 0  # tasks that the client sent
    fated = 0  # tasks whose fate the client was told
    on_gone: Callable[[messages.WorkerGone], None]

    @property
    def state(self) -> DispatcherState | None:
        """What it knows."""
        return self._state

    @property
    def links(self) -> Any:
        """Conversations by instance."""
        return self._links

    @property
    def pipe_of(self) -> dict[str, int]:
        """Connections by instance."""
        return self._pipe_of

    @property
    def instance_of(self) -> dict[int, str]:
        """Instances by connection."""
        return self._instance_of

    @property
    def is_running(self) -> bool:
        """False when it has nothing left to do."""
        return self._running

    def turn(self) -> float:
        """Do what is to be done; seconds until it wants to come again."""
        self._turn()
        patience = self._patience()
        return float("inf") if patience is None else patience

    def shut(self) -> None:
        """What is done at the end."""
        self._close()

    def _catch_signals(self) -> int:
        return _SIGNAL_FD

    def _on_client(self, message: messages.ToDispatcher, now: float) -> None:
        if isinstance(message, messages.Submit):
            self.received += sum(len(batch.names) for batch in message.batches)
        super()._on_client(message, now)
        self._object_bytes = 1 << 40  # it writes none to files

    def _tell_client(self, message: messages.ToClient) -> None:
        if isinstance(message, messages.DispatcherHello):
            message = replace(message, pid=1)  # or no two processes would tell the same
        elif isinstance(message, messages.Finished):
            self.fated += len(message.ids)
        elif isinstance(message, messages.Spent):
            self.fated += 1
        elif isinstance(message, messages.WorkerGone):
            self.on_gone(message)
        super()._tell_client(message)


class Dispatcher(Process):
    """The process that hands tasks to workers.

    Args:
        world: where it lives.
        socket: its end of the client's connection.
        seconds_reconnect: as of crew's listeners.
    """

    def __init__(self, world: World, socket: VirtualSocket, seconds_reconnect: float) -> None:
        super().__init__(world, "dispatcher", _REACTION)
        self.listener = VirtualListener(seconds_reconnect, self.wake)
        self.loop = _Loop(cast("Any", socket), self.listener, "virtual://", self.clock)
        self._socket = socket
        self._selector = cast("Selector", self.listener.selector)
        socket.ready = self.wake

    @property
    def state(self) -> Any:
        """What crew's dispatcher knows; None before it was spoken to."""
        return self.loop.state

    def turn(self) -> float:
        socket = self._socket
        if not socket.closed:
            wants_room = bool(self._selector.events(socket) & selectors.EVENT_WRITE)
            if socket.is_readable or (wants_room and socket.has_room):
                self._selector.mark(socket)
        left = self.loop.turn()
        if not self.loop.is_running:
            self.world.tell(self.name, "ends")
            self.ended = True
            self.loop.shut()
        elif not socket.closed and socket.is_readable:
            left = 0.0
        return self.clock() + left
