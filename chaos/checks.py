"""What must be true of a session's records and effects, whatever was done to it."""

from __future__ import annotations

import collections
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.client import EVENTS, RECORDS
from chaos.struck import Struck
from chaos.tasks import EFFECTS


@dataclass(frozen=True)
class Effect:
    """One line that a task has left."""

    number: int
    run: int
    instance: str
    pid: int


@dataclass
class Account:
    """What came of a session's tasks.

    Attributes:
        done: numbers with a record.
        repeated: effects beyond the first of a push, all excused.
        problems: what should not be.
    """

    done: set[int] = field(default_factory=set)
    repeated: int = 0
    problems: list[str] = field(default_factory=list)


def read_lines(folder: Path, name: str) -> list[dict[str, Any]]:
    """The objects of a file of ours; none when there is no such file."""
    path = folder / name
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_records(folder: Path) -> list[dict[str, Any]]:
    """All records that clients of this folder popped."""
    return read_lines(folder, RECORDS)


def read_events(folder: Path) -> list[dict[str, Any]]:
    """What clients of this folder told besides."""
    return read_lines(folder, EVENTS)


def read_effects(folder: Path) -> list[Effect]:
    """All lines that tasks of this folder left."""
    path = folder / EFFECTS
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="ascii").splitlines():
        number, run, instance, pid = line.split()
        found.append(Effect(int(number), int(run), instance, int(pid)))
    return found


def account(
    numbers: Iterable[int],
    records: Sequence[Mapping[str, Any]],
    effects: Iterable[Effect],
    struck: Struck,
) -> Account:
    """Hold records against effects, push by push.

    Args:
        numbers: all tasks.
        records: what was popped.
        effects: what the tasks did.
        struck: whose tasks may have been run again.
    """
    found = Account()
    by_push: dict[str, list[Effect]] = collections.defaultdict(list)
    for effect in effects:
        by_push[f"{effect.number}.{effect.run}"].append(effect)
    popped = collections.Counter(str(record["name"]) for record in records)
    found.problems += [f"task {name} came back {n} times" for name, n in popped.items() if n > 1]
    recorded = collections.Counter(name.partition(".")[0] for name in popped)
    for number, count in recorded.items():
        if count > 1:
            found.problems.append(f"task {number} was pushed again though it had come back")
    for record in records:
        found.problems += _wrong(record, by_push[str(record["name"])])
    for name, done in by_push.items():
        found.problems += _repeated(name, done, struck)
        found.repeated += len(done) - 1 if done else 0
    found.done = {int(number) for number in recorded}
    lost = sorted(set(numbers) - found.done)
    if lost:
        found.problems.append(f"{len(lost)} tasks are lost: {_some(lost)}")
    return found


def _wrong(record: Mapping[str, Any], done: Sequence[Effect]) -> list[str]:
    """What is wrong with one record."""
    name = record["name"]
    if not record["as_it_should"]:
        return [f"task {name} ended with {record['status']}, {record['cause']}: {record['error']}"]
    if not any((e.instance, e.pid) == (record["instance"], record["pid"]) for e in done):
        return [f"task {name} was not done where its record says"]
    return []


def _repeated(name: str, done: Sequence[Effect], struck: Struck) -> list[str]:
    """What nothing excuses, of several effects of one push."""
    problems = []
    if len(set(done)) < len(done):
        problems.append(f"task {name} was done twice by one process")
    unexcused = [effect for effect in done if not struck.excuses(effect.instance, effect.pid)]
    if len(unexcused) > 1:
        where = ", ".join(f"process {effect.pid}" for effect in unexcused)
        problems.append(f"task {name} was done {len(unexcused)} times, by {where}")
    return problems


def _some(numbers: Sequence[int]) -> str:
    text = ", ".join(map(str, numbers[:5]))
    return text + (", …" if len(numbers) > 5 else "")
