"""The network between workers and their dispatcher is cut and mended."""

from __future__ import annotations

from chaos.faults.base import Fault
from chaos.room import Room
from chaos.session import HEARTBEAT_SECONDS, Session


class _Cut(Fault):
    @classmethod
    def lacks(cls) -> str | None:
        """A network of our own."""
        return Room.lacks()

    @classmethod
    def fits(cls, session: Session) -> bool:
        """Those whose workers come over a network."""
        return session.room.has_network

    def apply(self, session: Session) -> None:
        """Cut it."""
        session.room.cut()

    def heal(self, session: Session) -> list[str]:
        """Mend it."""
        session.room.heal()
        return []


class ShortCut(_Cut):
    """So short that workers come back, or do not even notice."""

    name = "the network is cut for a moment"
    promise = "workers go on, and what ended meanwhile arrives; nothing is lost or repeated"
    seconds = (0.5, HEARTBEAT_SECONDS / 3)  # what was lost is sent again some seconds later
    often = 3


class LongCut(_Cut):
    """So long that workers are lost."""

    name = "the network is cut for longer than seconds_heartbeat"
    promise = "workers are lost, what they held is run by others; their late outcomes do not count"
    seconds = (HEARTBEAT_SECONDS + 3, HEARTBEAT_SECONDS + 6)

    def apply(self, session: Session) -> None:
        """Cut it."""
        session.strike_all()
        super().apply(session)

    def heal(self, session: Session) -> list[str]:
        """Mend it. Those that were launched meanwhile could not come, and may be given up."""
        session.strike_all()
        return super().heal(session)
