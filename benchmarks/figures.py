"""What was measured: kept, read and written as JSON, and its medians, spreads and ratios. Pure."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_FORMAT = 1


@dataclass
class Contest:
    """All that was measured in one run.

    Attributes:
        about: the machine, the time, and how it was measured.
        versions: of each contender.
        values: of each contender and figure the value of each round; None where there is none.
        notes: of each contender and work that has no values: why.
    """

    about: dict[str, str | int | float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, list[float | None]]] = field(default_factory=dict)
    notes: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, contender: str, figure: str, round_index: int, value: float) -> None:
        """Keep a value."""
        row = self.values.setdefault(contender, {}).setdefault(figure, [])
        row.extend([None] * (round_index + 1 - len(row)))
        row[round_index] = value

    def note(self, contender: str, work: str, why: str) -> None:
        """Keep why there is no value; the first reason counts."""
        self.notes.setdefault(contender, {}).setdefault(work, why)

    def all_of(self, contender: str, figure: str) -> list[float]:
        """The values of all rounds that have one."""
        row = self.values.get(contender, {}).get(figure, [])
        return [value for value in row if value is not None]

    def median(self, contender: str, figure: str) -> float | None:
        """The middle one."""
        values = self.all_of(contender, figure)
        return statistics.median(values) if values else None

    def spread(self, contender: str, figure: str) -> float | None:
        """How far the rounds lie apart: half their range, as a part of the median."""
        values = self.all_of(contender, figure)
        middle = self.median(contender, figure)
        if len(values) < 2 or not middle:
            return None
        return (max(values) - min(values)) / 2 / abs(middle)

    def ratio(self, contender: str, other: str, figure: str) -> float | None:
        """How many times the other's value a contender's is: the median of the rounds' ratios.

        Ratios within a round are steadier than a ratio of medians, as the load of a shared machine
        changes from round to round.
        """
        mine = self.values.get(contender, {}).get(figure, [])
        theirs = self.values.get(other, {}).get(figure, [])
        ratios = [
            a / b
            for a, b in zip(mine, theirs, strict=False)
            if a is not None and b is not None and b
        ]
        return statistics.median(ratios) if ratios else None

    def to_json(self) -> str:
        """As text, for a file."""
        contenders = {
            name: {
                "version": self.versions.get(name),
                "figures": {
                    figure: [None if value is None else float(f"{value:.5g}") for value in row]
                    for figure, row in self.values.get(name, {}).items()
                },
                "notes": self.notes.get(name, {}),
            }
            for name in dict.fromkeys((*self.versions, *self.values, *self.notes))
        }
        whole = {"format": _FORMAT, "about": self.about, "contenders": contenders}
        return _compact(json.dumps(whole, indent=2, ensure_ascii=False)) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Contest:
        """From a file's text.

        Raises:
            ValueError: it is none of ours, or of another format.
        """
        whole: Mapping[str, Any] = json.loads(text)
        if whole.get("format") != _FORMAT:
            raise ValueError(f"not figures of format {_FORMAT}; measure again with nox -s bench")
        contenders: Mapping[str, Any] = whole["contenders"]
        return cls(
            about=dict(whole["about"]),
            versions={name: one["version"] for name, one in contenders.items() if one["version"]},
            values={name: dict(one["figures"]) for name, one in contenders.items()},
            notes={name: dict(one["notes"]) for name, one in contenders.items()},
        )


def _compact(text: str) -> str:
    """Put each list of numbers on one line, so that a change of one is a change of one line."""
    parts = text.split("[")
    joined = [parts[0]]
    for part in parts[1:]:
        inside, closing, rest = part.partition("]")
        joined.append(" ".join(inside.split()) + closing + rest)
    return "[".join(joined)
