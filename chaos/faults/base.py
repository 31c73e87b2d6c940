"""What a fault is: a name, what is promised, what it needs, how to do it and to undo it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from chaos.session import Session


class Fault(ABC):
    """One way to strike a session. A new object for each strike.

    Attributes:
        name: for the table.
        promise: what crew promises in that case, for the table.
        seconds: how long it lasts, at least and at most.
        often: how often it is dealt in a round of all.
    """

    name: ClassVar[str]
    promise: ClassVar[str]
    seconds: ClassVar[tuple[float, float]] = (0.0, 0.0)
    often: ClassVar[int] = 1

    @classmethod
    def lacks(cls) -> str | None:
        """What it needs and is not there; None when it can be done here."""
        return None

    @classmethod
    def fits(cls, session: Session) -> bool:
        """True when a session can be struck so."""
        return True

    @abstractmethod
    def apply(self, session: Session) -> None:
        """Strike.

        Raises:
            NobodyError: there is nobody to strike.
        """

    def heal(self, session: Session) -> list[str]:
        """Undo it, and look whether the promise was kept; what was wrong."""
        return []
