"""What a connection between dispatcher and worker can do, whichever way the bytes travel.

On one computer they travel by unix sockets (``_wire.local``), elsewhere by TCP
(``_wire.network``). Neither end ever blocks. Each has a selector, to which its owner adds whatever
else it waits for: there is one place to wait at, and only those who have something to say are
looked at.
"""

from __future__ import annotations

import selectors
from collections.abc import Iterable
from typing import Protocol


class Listener(Protocol):
    """The dispatcher's end: many workers, each known by the number of its connection, its pipe.

    Attributes:
        selector: tells which pipes have something to say: their numbers are the data of its keys.
            The owner's own keys have negative ones.
        seconds_reconnect: how long a worker whose connection broke may take to come back; zero
            where a broken connection proves its death.
    """

    selector: selectors.BaseSelector
    seconds_reconnect: float

    def receive(self, ready: Iterable[int]) -> list[tuple[int, bytes]]:
        """Frames that have arrived, each with the number of its pipe.

        Args:
            ready: what the selector has told.
        """

    def has_room(self, pipe: int) -> bool:
        """True while a connection takes frames as fast as they are sent; False when it is gone."""

    def send(self, pipe: int, frame: bytes) -> bool:
        """Send a frame; False when that connection is gone. What it does not take now is kept."""

    def drained(self) -> list[int]:
        """Pipes that have room again since the last call."""

    def lost(self) -> list[int]:
        """Pipes that closed since the last call."""

    def identity(self, pipe: int) -> str | None:
        """The instance that the other end has proved to be; None where nothing proves it."""

    def admit(self, pipe: int) -> None:
        """The other end has proved who it is: it may stay and say more."""

    def complaints(self) -> list[str]:
        """Strangers that were turned away since the last call, in words for a person."""

    def next_time(self) -> float:
        """When ``receive`` has something to do at the latest, by the monotonic clock."""

    def refuse(self, pipe: int, why: str) -> None:
        """Close a connection that does not behave."""

    def hang_up(self, pipe: int) -> None:
        """Close one connection. It shows up in ``lost`` later."""

    def close(self) -> None:
        """Close everything, the selector too."""


class Dialer(Protocol):
    """A worker's end: one connection, dialled again whenever it breaks.

    Attributes:
        selector: tells when the connection has something to say.
        fileno: of the connection that there is or is to be, as the selector tells it; -1: none.
    """

    selector: selectors.BaseSelector
    fileno: int

    def changes(self, ready: bool) -> list[bool]:
        """What happened to the connection since the last call: True came, False went.

        Args:
            ready: the selector has told of ``fileno``.
        """

    def receive(self) -> list[bytes]:
        """Frames that have arrived. Call ``changes`` first."""

    def has_room(self) -> bool:
        """True while there is a connection that takes frames as fast as they are sent."""

    def send(self, frame: bytes) -> bool:
        """Send a frame; False while there is no connection. What it does not take now is kept."""

    def next_time(self) -> float:
        """When ``changes`` has something to do at the latest, by the monotonic clock."""

    def hang_up(self) -> None:
        """Close the present connection; another is dialled."""

    def close(self) -> None:
        """Close for good, the selector too, once what was sent has gone out."""
