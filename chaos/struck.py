"""Which workers were struck so that their tasks may be run again: all others must run each once."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Struck:
    """What may excuse that a task was run twice.

    Attributes:
        instances: workers whose supervisor died, or was lost.
        pids: task processes that died.
    """

    instances: set[str] = field(default_factory=set)
    pids: set[int] = field(default_factory=set)

    def excuses(self, instance: str, pid: int) -> bool:
        """True when what ran there may run again elsewhere."""
        return instance in self.instances or pid in self.pids
