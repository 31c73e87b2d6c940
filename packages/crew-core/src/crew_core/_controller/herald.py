"""What the launching of workers has to tell the dispatcher."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from crew_core._wire import messages


class Herald(Protocol):
    """Tells the dispatcher whom to let in: the client, as far as it concerns launches."""

    def expect(self, workers: list[messages.ExpectedWorker]) -> None:
        """Announce workers: they are not launched before the dispatcher would let them in."""

    def forget(self, instances: Sequence[str]) -> None:
        """Refuse these workers, should they come after all."""

    def tell_over(self, ends: Sequence[messages.JobEnd]) -> None:
        """The platform says that these workers have ended, or it does not say how."""

    def make_room(self, step: int, workers: int) -> None:
        """Let idle workers of lower steps go, so many, for one that is wanted more."""
