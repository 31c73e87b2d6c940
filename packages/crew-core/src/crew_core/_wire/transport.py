"""What a connection between dispatcher and worker can do, whichever way the bytes travel.

On one computer they travel by NNG (``_wire.channel``), elsewhere by TCP (``_wire.network``).
Neither end ever blocks: ``fileno`` and ``wake_fileno`` are for the owner's selector.
"""

from __future__ import annotations

from typing import Protocol


class Listener(Protocol):
    """The dispatcher's end: many workers, each known by the number of its connection, its pipe.

    Attributes:
        fileno: readable when ``receive`` has something to do.
        wake_fileno: readable when ``lost`` has something to tell; None: look after ``receive``.
        window: frames that may be on their way to one worker.
        seconds_reconnect: how long a worker whose connection broke may take to come back; zero
            where a broken connection proves its death.
    """

    fileno: int
    wake_fileno: int | None
    window: int
    seconds_reconnect: float

    def receive(self) -> list[tuple[int, bytes]]:
        """Frames that have arrived, each with the number of its pipe."""

    def send(self, pipe: int, frame: bytes) -> bool:
        """Send a frame; False when that connection is gone."""

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
        """Close everything."""


class Dialer(Protocol):
    """A worker's end: one connection, dialled again in the background whenever it breaks.

    Attributes:
        fileno: readable when ``changes`` or ``receive`` has something to tell.
        wake_fileno: readable when ``changes`` has; None: ``fileno`` tells of both.
    """

    fileno: int
    wake_fileno: int | None

    def receive(self) -> list[bytes]:
        """Frames that have arrived."""

    def send(self, frame: bytes) -> bool:
        """Send a frame; False when the connection cannot take it now."""

    def changes(self) -> list[bool]:
        """What happened to the connection since the last call: True came, False went."""

    def next_time(self) -> float:
        """When ``changes`` has something to do at the latest, by the monotonic clock."""

    def hang_up(self) -> None:
        """Close the present connection; another is dialled."""

    def close(self) -> None:
        """Close for good, once what was sent has gone out."""
