"""Goes through the plan: has every contender sit for every group, round by round."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import cold, family, processes
from benchmarks.catalog import FIGURES
from benchmarks.environments import ROOT, NotInstalledError, python_of
from benchmarks.figures import Contest
from benchmarks.plan import (
    CONTENDERS,
    Contender,
    Group,
    Work,
    seconds_allowed,
    still_to_do,
    turn,
)


@dataclass
class Runner:
    """Measures, and keeps what was found in `contest`.

    Attributes:
        contenders: who takes part.
        groups: what is done.
        budget: about how many seconds one measurement may take.
        deadline: when (on the monotonic clock) no sitting begins any more.
    """

    contenders: Sequence[Contender]
    groups: Sequence[Group]
    budget: float
    deadline: float
    contest: Contest = field(default_factory=Contest)
    _pythons: dict[str, Path] = field(default_factory=dict)
    _failed: dict[str, set[str]] = field(default_factory=dict)

    def install(self) -> None:
        """Make all environments; who cannot be installed takes no part."""
        able = []
        for contender in self.contenders:
            home = next(one for one in CONTENDERS if one.name == contender.home)
            try:
                self._pythons[contender.name] = python_of(home)
                able.append(contender)
            except NotInstalledError as error:
                self._give_up(contender, str(error))
        self.contenders = able

    def rounds(self, first: int, count: int) -> None:
        """Measure so many rounds, the first of which has this index."""
        family.adopt_orphans()
        os.environ[family.RUNNER] = str(os.getpid())
        for index in range(first, first + count):
            for group in self.groups:
                if index - first >= group.rounds:
                    continue
                for contender in turn(self.contenders, index):
                    self._sitting(group, contender, index)

    def _sitting(self, group: Group, contender: Contender, index: int) -> None:
        works = still_to_do(group, contender.name, self._failed.get(contender.name, set()))
        if not works or time.monotonic() > self.deadline:
            return
        began = time.monotonic()
        with _folder() as folder:
            results = folder / "results.jsonl"
            command = self._command(group, contender, works, results)
            if command is None:
                return
            why = processes.run(
                command,
                environment=_environment(folder, self._pythons[contender.name]),
                folder=folder,
                seconds=seconds_allowed(group, len(works), self.budget),
            )
            lines = _lines(results)
            if group.kind == "script" and not why:
                lines += _script_lines(group.name, processes.printed(folder))
        self._keep(contender, works, index, lines, why)
        seconds = time.monotonic() - began
        ending = f"  {why}" if why else ""
        print(
            f"round {index + 1}  {group.name:8} {contender.title:20} {seconds:6.1f} s{ending}",
            flush=True,
        )

    def _command(
        self, group: Group, contender: Contender, works: Sequence[Work], results: Path
    ) -> list[str] | None:
        """The sitting's command line; None for a script that is not there."""
        python = [str(self._pythons[contender.name])]
        workers = str(group.workers)
        if group.kind == "cold":
            return [*python, "-m", "benchmarks.cold", contender.name, workers, str(results)]
        if group.kind == "script":
            script = ROOT / "benchmarks" / f"{group.name}.py"
            return [*python, str(script)] if script.exists() else None
        keys = [work.key for work in works]
        head = [*python, "-m", "benchmarks.sitting", contender.name, workers]
        return [*head, str(self.budget), str(results), *keys]

    def _keep(
        self,
        contender: Contender,
        works: Sequence[Work],
        index: int,
        lines: Sequence[Mapping[str, object]],
        why: str,
    ) -> None:
        for line in lines:
            match line:
                case {"version": str(version)}:
                    self.contest.versions[contender.name] = version
                case {"figure": str(figure), "value": float() | int() as value}:
                    if figure in FIGURES or figure.startswith("swarm/"):
                        self.contest.add(contender.name, figure, index, float(value))
                case {"work": str(work), "failed": str(note)}:
                    self._fail(contender, work, note)
                case {"work": str(work), "left out": str(note)}:
                    # Not for good: in a later round the machine may have more time for it.
                    self.contest.note(contender.name, work, note)
        found = {line.get("figure") for line in lines}
        for left in works:
            figures = [name for name, figure in FIGURES.items() if figure.work == left.key]
            if why and not (figures and found.issuperset(figures)):
                self._fail(contender, left.key, why)

    def _fail(self, contender: Contender, work: str, why: str) -> None:
        self._failed.setdefault(contender.name, set()).add(work)
        self.contest.note(contender.name, work, why)

    def _give_up(self, contender: Contender, why: str) -> None:
        print(f"{contender.title} {why}", flush=True)
        for group in self.groups:
            for work in still_to_do(group, contender.name, ()):
                self.contest.note(contender.name, work.key, why)


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder for what a sitting writes: contenders like to leave logs and sockets."""
    # Short, as it is a part of the addresses of sockets.
    folder = Path(tempfile.mkdtemp(prefix="bench-")).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environment(folder: Path, python: Path) -> dict[str, str]:
    """The variables of a sitting, with a home of its own for settings and state."""
    # crew is installed in place, and is to have its byte code written as the others' was by pip.
    left_out = ("XDG_", "PIP_", "PYTHONDONTWRITEBYTECODE")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
    return {
        **kept,
        # As in an environment that is activated: contenders start programs of theirs by name.
        "PATH": os.pathsep.join((str(python.parent), os.environ.get("PATH", os.defpath))),
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        cold.BEGAN: repr(time.monotonic()),
    }


def _lines(results: Path) -> list[dict[str, object]]:
    if not results.exists():
        return []
    return [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]


def _script_lines(name: str, output: str) -> list[dict[str, object]]:
    """The last line of what a script printed: an object with a number for each of its figures."""
    try:
        found = json.loads(output.strip().splitlines()[-1])
        return [{"figure": f"{name}/{key}", "value": float(value)} for key, value in found.items()]
    except (IndexError, ValueError, TypeError, AttributeError):
        print(f"{name}.py did not end with a line of JSON with numbers", file=sys.stderr)
        return []
