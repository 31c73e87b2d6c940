"""A pipeline tool drives a group of two controllers, the way that one for R drives its controllers.

It pushes what can run, keeps back the names of what finds its controller saturated, waits for one
record at a time, and pushes again what crashed.
"""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

import crew_core as crew

Survivors = Callable[[], "list[psutil.Process]"]

TARGETS = 2_000
CRASHING = 20
LIMIT = 1_000_003


@dataclass(frozen=True)
class Target:
    """One step: its value is made from its number and the values of earlier targets."""

    number: int
    needs: tuple[int, ...]
    crashes: str | None  # which process its first attempt kills
    controller: str

    @property
    def name(self) -> str:
        return f"target {self.number}"


def value_of(number: int, values: list[int]) -> int:
    return (number + sum((i + 1) * value for i, value in enumerate(values))) % LIMIT


def build(number: int, values: list[int], crashes: str | None, folder: str) -> int:
    """The task. Appends its number to a file when it comes through."""
    if crashes is not None and is_first_attempt(Path(folder, f"attempt-{number}")):
        os.kill(os.getpid() if crashes == "task process" else os.getppid(), signal.SIGKILL)
        signal.pause()  # until the loss of the worker has ended this process, too
    done = os.open(Path(folder, "done"), os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    try:
        os.write(done, f"{number}\n".encode())
    finally:
        os.close(done)
    return value_of(number, values)


def is_first_attempt(marker: Path) -> bool:
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def plan(controllers: list[str], seed: int) -> list[Target]:
    """Targets that need some of the fifty before them, so that there is always something to do."""
    numbers = random.Random(seed)
    crashing = numbers.sample(range(TARGETS), CRASHING)
    victims = {n: "worker" if i < 2 else "task process" for i, n in enumerate(crashing)}
    return [
        Target(
            number=n,
            needs=tuple(numbers.sample(range(max(0, n - 50), n), min(n, numbers.randrange(4)))),
            crashes=victims.get(n),
            controller=numbers.choice(controllers),
        )
        for n in range(TARGETS)
    ]


class Pipeline:
    """Builds targets in an order that their needs allow."""

    def __init__(self, group: crew.ControllerGroup, targets: list[Target], folder: Path) -> None:
        self.values: dict[int, int] = {}
        self.pushes: Counter[str] = Counter()
        self.crashes: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.ran_on: dict[str, set[str]] = {}
        self.kept_back = 0
        self._group = group
        self._folder = folder
        self._targets = {target.name: target for target in targets}
        self._lacking = {target.number: set(target.needs) for target in targets}
        self._needed_by: dict[int, list[Target]] = {target.number: [] for target in targets}
        for target in targets:
            for number in target.needs:
                self._needed_by[number].append(target)
        self._ready = [target for target in targets if not target.needs]

    def run(self) -> None:
        while len(self.values) < len(self._targets):
            if self._ready:
                self._push_or_keep_back(self._ready.pop())
            elif names := self._group.pop_backlog():
                for name in names:
                    self._push(self._targets[name])
            else:
                self._group.wait("one", seconds_timeout=0.5)
                self._conclude(self._group.pop())

    def _push_or_keep_back(self, target: Target) -> None:
        if self._group[target.controller].saturated:
            self._group.push_backlog(target.name, controller=target.controller)
            self.kept_back += 1
        else:
            self._push(target)

    def _push(self, target: Target) -> None:
        values = [self.values[number] for number in target.needs]
        self._group.push(
            build,
            (target.number, values, target.crashes, str(self._folder)),
            name=target.name,
            controller=target.controller,
        )
        self.pushes[target.name] += 1

    def _conclude(self, record: crew.Record | None) -> None:
        if record is None:
            return
        self.statuses[record.status] += 1
        target = self._targets[record.name]
        if record.status == "crash":
            self.crashes[target.name] += 1
            assert self._group.crashes(target.name) == self.crashes[target.name]
            self._ready.append(target)
            return
        assert target.number not in self.values
        self.values[target.number] = record.value()
        assert record.controller is not None
        self.ran_on.setdefault(record.controller, set()).add(record.name)
        for later in self._needed_by[target.number]:
            self._lacking[later.number].remove(target.number)
            if not self._lacking[later.number]:
                self._ready.append(later)


def expected_values(targets: list[Target]) -> dict[int, int]:
    values: dict[int, int] = {}
    for target in targets:  # needs come before those who need them
        values[target.number] = value_of(target.number, [values[n] for n in target.needs])
    return values


def two(name: str, **options: Any) -> crew.ControllerGroup:
    return crew.ControllerGroup(
        *(crew.controller("local", name=f"{name}-{i}", **options) for i in range(2))
    )


def test_a_pipeline_builds_every_target_exactly_once_though_some_crash(
    controller_name: str, survivors: Survivors, tmp_path: Path
) -> None:
    group = two(controller_name, workers=2, retry_tasks=False)
    targets = plan(list(group), seed=20)
    pipeline = Pipeline(group, targets, tmp_path)
    with group:
        pipeline.run()
        assert group.empty
        assert group.pop_backlog() == []
        assert group.crashes(targets[0].name) == 0
        table = group.summary()
    assert pipeline.values == expected_values(targets)
    built = Counter((tmp_path / "done").read_text().split())
    assert built.keys() == set(map(str, range(TARGETS)))
    assert pipeline.statuses == {"success": TARGETS, "crash": CRASHING}
    assert pipeline.pushes == Counter(target.name for target in targets) + pipeline.crashes
    # What a worker had finished and not told when it was lost is built again, and what it was at
    # may be spared for it. Otherwise nothing is built twice.
    crashing = {target.name: target.crashes for target in targets if target.crashes}
    untold = {f"target {number}" for number, times in built.items() if times > 1}
    blamed = pipeline.crashes - Counter(list(crashing))
    assert blamed.keys() <= untold
    spared = crashing.keys() - pipeline.crashes.keys()
    assert len(spared) == blamed.total()
    assert all(crashing[name] == "worker" for name in spared)
    assert pipeline.kept_back > 0
    for name in group:
        theirs = {target.name for target in targets if target.controller == name}
        assert pipeline.ran_on[name] == theirs
    assert (table.success.sum(), table.crash.sum()) == (TARGETS, CRASHING)
    assert survivors() == []
