"""What a run has found: a table of the faults, and how it went."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from chaos.faults.base import Fault

_SHOWN = 20
_WIDTH = 62


@dataclass
class Row:
    """What came of one fault.

    Attributes:
        fault: which.
        lacks: why it was not tried, if it was not.
        tried: how often it was done.
        problems: how its promise was broken.
    """

    fault: type[Fault]
    lacks: str | None = None
    tried: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """In a word or two."""
        if self.lacks is not None:
            return f"SKIPPED: needs {self.lacks}"
        if self.problems:
            return f"BROKEN {len(self.problems)} times"
        return "kept" if self.tried else "not tried"


@dataclass
class Report:
    """What a run has found.

    Attributes:
        rows: of the table.
        sessions: how many there were.
        tasks: how many came back.
        repeated: effects that were repeated, all by workers that were struck.
        memory: sentences on the memory of the longest lives.
        problems: of sessions, whatever struck them.
    """

    rows: list[Row]
    sessions: int = 0
    tasks: int = 0
    repeated: int = 0
    memory: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def faults(self) -> int:
        """How many faults there were."""
        return sum(row.tried for row in self.rows)

    @property
    def is_well(self) -> bool:
        """True when nothing is wrong."""
        return not self.problems and not any(row.problems for row in self.rows)

    def lines(self) -> Iterable[str]:
        """For people to read."""
        name_width = max(len(row.fault.name) for row in self.rows)
        yield f"{'fault':{name_width}}  {'times':>5}  outcome"
        for row in self.rows:
            yield f"{row.fault.name:{name_width}}  {row.tried:5}  {row.outcome}"
            for line in textwrap.wrap(f"promised: {row.fault.promise}", _WIDTH):
                yield f"    {line}"
            yield from _some(row.problems)
        yield ""
        yield f"{self.faults} faults, {self.sessions} sessions, {self.tasks} tasks came back"
        yield f"{self.repeated} of them were done again after their worker was struck"
        yield from self.memory
        yield from _some(self.problems)
        yield "all is well" if self.is_well else "SOMETHING IS WRONG: see the lines above"


def _some(problems: Sequence[str]) -> Iterable[str]:
    for problem in problems[:_SHOWN]:
        yield f"    ! {problem}"
    if len(problems) > _SHOWN:
        yield f"    ! and {len(problems) - _SHOWN} more"
