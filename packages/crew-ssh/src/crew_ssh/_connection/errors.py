"""What goes wrong between this computer and a host."""

from __future__ import annotations

from crew_core.plugins import CrewError


class SshError(CrewError):
    """A host was not reached, or did not do what it was asked.

    Attributes:
        transient: True when another try may succeed without anybody's doing.
    """

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient
