"""Which step of the launcher's ladder the next workers are launched with. Safe from any thread.

A worker that dies, other than by the doing of others, moves the next launch one step above its own;
one that leaves after all it was given has been done moves it back to the first. Apart from that a
task may need a step: it died for want of memory or time on the one below, or it expects to run for
longer than workers of lower steps live. It waits for a worker of that step, whatever else happens,
so that workers are launched for it, and those that are too small for all that waits do not count.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from crew_core._model.states import OF_OTHERS
from crew_core._model.steps import step_for


class Match(NamedTuple):
    """Workers and tasks, put together as well as can be.

    Attributes:
        wanting: the steps that tasks without a worker need, the highest first.
        unfit: how many workers are too small for all of these.
        spare: launches that no task needs.
    """

    wanting: tuple[int, ...] = ()
    unfit: int = 0
    spare: tuple[str, ...] = ()


class Escalation:
    """The ladder of one run of a controller.

    Args:
        lives: how long workers of each step may live, in seconds.
    """

    def __init__(self, lives: Sequence[float]) -> None:
        self.lives = lives
        self._step = 0
        self._needs: dict[int, int] = {}  # by task, for those that need more than the first
        self._lock = threading.Lock()

    @property
    def any(self) -> bool:
        """True when there is more than one step."""
        return len(self.lives) > 1

    @property
    def step(self) -> int:
        """Of the next launch, unless a task needs a higher one."""
        return self._step

    @property
    def any_needs(self) -> bool:
        """True when some task needs more than the first step."""
        return bool(self._needs)

    # ── What happened ──────────────────────────────────────────────────────────────────────────

    def note_death(self, step: int, cause: str) -> None:
        """A worker of this step died, or its task process did."""
        if cause not in OF_OTHERS:
            with self._lock:
                self._step = min(max(self._step, step + 1), len(self.lives) - 1)

    def note_done(self, step: int) -> None:
        """A worker of this step has left after all it was given was done."""
        with self._lock:
            if step >= self._step:  # that a smaller one was enough for others says nothing
                self._step = 0

    def note_expected(self, ids: Iterable[int], seconds: float) -> None:
        """These tasks are queued, and expect to run so long."""
        step = step_for(seconds, self.lives)
        if step:
            with self._lock:
                self._needs.update(dict.fromkeys(ids, step))

    def note_need(self, task_id: int, step: int) -> None:
        """This task is tried again by a worker of this step, or a higher one."""
        if step:
            with self._lock:
                self._needs[task_id] = step

    def note_ended(self, ids: Iterable[int]) -> None:
        """These tasks need nothing any more."""
        if self._needs:
            with self._lock:
                for task_id in ids:
                    self._needs.pop(task_id, None)

    # ── What follows ───────────────────────────────────────────────────────────────────────────

    def match(self, demand: int, online: Iterable[int], coming: Sequence[tuple[str, int]]) -> Match:
        """Give each task a worker that is large enough, as far as there are any.

        Args:
            demand: tasks that have not ended.
            online: the steps of the workers that are here.
            coming: instances that are on their way, and their steps, the oldest first.
        """
        with self._lock:
            needs = Counter(self._needs.values())
        needs[0] = max(0, demand - needs.total())
        here = Counter(online)
        idle = 0
        spare: list[str] = []
        wanting: list[int] = []
        for step in range(len(self.lives) - 1, -1, -1):
            idle += here[step]
            spare = [instance for instance, own in coming if own == step] + spare
            served = min(needs[step], idle)
            idle -= served
            left = needs[step] - served
            wanting += [step] * max(0, left - len(spare))
            spare = spare[left:]
        return Match(tuple(wanting), idle + len(spare) if wanting else 0, tuple(spare))

    def steps(self, count: int, wanting: Sequence[int] = ()) -> list[tuple[int, int]]:
        """How so many launches are divided: pairs of a step and how many workers of it.

        Args:
            count: how many.
            wanting: the steps that tasks need, the highest first.
        """
        needed = [*wanting[:count], *[0] * (count - len(wanting))]
        found = Counter(max(self._step, step) for step in needed)
        return sorted(found.items(), reverse=True)
