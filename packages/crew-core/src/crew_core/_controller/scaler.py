"""What a session asks of whoever sees to it that tasks are run."""

from __future__ import annotations

from typing import Protocol

from crew_core._controller.roster import Row


class Scaler(Protocol):
    """The autoscaler, as a session and its controller use it.

    Attributes:
        enabled: False after ``descale``.
    """

    enabled: bool

    def kick(self) -> None:
        """Look soon, unless ``descale`` was called."""

    def wants_kick(self) -> bool:
        """True when a kick could help."""

    def launch(self, count: int, *, manual: bool) -> None:
        """Launch workers now."""

    def step(self, *, throttle: bool) -> bool:
        """Look now. True when that led to something, which what is throttled may not."""

    def note_futile(self, row: Row, why: str, *, permanent: bool = False) -> None:
        """A launch brought nothing."""

    def close(self) -> None:
        """Launch nothing any more."""

    def end_jobs(self) -> None:
        """End every job that may still be there."""

    def abandon(self) -> None:
        """In a forked child: let go of what belongs to the parent."""
