"""What a look at a platform finds, before anything is launched there: a sentence for each thing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Grade(Enum):
    """How something is that was looked at.

    Example::

        >>> from crew_core.plugins import Grade
        >>> Grade("bad")
        <Grade.BAD: 'bad'>
    """

    GOOD = "good"
    DOUBTFUL = "doubtful"
    """It may work: it could not be seen, or is unusual."""
    BAD = "bad"
    """Nothing will run like this."""


@dataclass(frozen=True)
class Finding:
    """One thing that ``Launcher.examine`` looked at.

    Attributes:
        check: what was looked at, in two or three words: "queue", "host node1".
        grade: how it is.
        words: what was seen.
        advice: what to do; empty when nothing is to be done.

    Example::

        >>> from crew_core.plugins import Finding, Grade
        >>> print(Finding("queue", Grade.BAD, "there is no queue 'shrt'", "name another one"))
        bad       queue: there is no queue 'shrt'. To do: name another one
    """

    check: str
    grade: Grade
    words: str
    advice: str = ""

    def __str__(self) -> str:
        told = f"{self.grade.value:8}  {self.check}: {self.words}"
        return f"{told}. To do: {self.advice}" if self.advice else told
