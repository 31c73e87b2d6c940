"""Many tasks that were pushed in one go, in columns instead of a handle for each.

A sheet does for as long as its tasks are asked for nothing but to end and to become a table, which
is all that ``map`` wants. When one of them is wanted by itself, to be popped, cancelled by name or
lent, the book *spreads* the sheet: from then on its tasks have handles like all others.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from crew_core._controller.handle import Task
from crew_core._wire import messages

if TYPE_CHECKING:
    from crew_core._controller.book import TaskBook


class Places:
    """Numbers tasks in the order in which they end. Guarded by the books' lock."""

    def __init__(self) -> None:
        self._next = 1

    def take(self, count: int) -> range:
        """The next so many."""
        start = self._next
        self._next += count
        return range(start, self._next)


class Sheet:
    """Tasks with consecutive ids and one command. Guarded by the book's lock.

    Args:
        first: the id of the first.
        names: of each.
        digest: of their command.
        command: its text, with ``save_command``.
        seeds: of each, where they have any.
        algorithm: of all.

    Attributes:
        handles: of each; None until the sheet is spread, and then they alone count.
        left: tasks that have not ended.
        details: as all columns that follow, what ``FinishedTask`` calls so; None: not ended.
        instances: where each ran.
        places: of each among all tasks of all controllers that have ended.
    """

    def __init__(
        self,
        first: int,
        names: list[str],
        digest: bytes,
        *,
        command: str | None = None,
        seeds: list[int] | None = None,
        algorithm: str | None = None,
    ) -> None:
        count = len(names)
        self.first = first
        self.names = names
        self.digest = digest
        self.command = command
        self.seeds = seeds
        self.algorithm = algorithm
        self.pushed_at = time.time()
        self.handles: list[Task[Any]] | None = None if names else []
        self.left = count
        self.details: list[bytes | None] = [None] * count
        self.statuses = [0] * count
        self.seconds: list[float | None] = [None] * count
        self.attempts = [0] * count
        self.instances: list[str | None] = [None] * count
        self.places = [0] * count

    def __len__(self) -> int:
        return len(self.names)

    @property
    def ids(self) -> range:
        """The ids of its tasks."""
        return range(self.first, self.first + len(self.names))

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    @cached_property
    def _by_name(self) -> dict[str, int]:  # made when somebody asks, for seldom anybody does
        return dict(zip(self.names, range(len(self.names)), strict=True))

    def unfinished(self) -> Iterator[int]:
        """The ids of those that have not ended."""
        return (i for i, detail in zip(self.ids, self.details, strict=True) if detail is None)

    def unfinished_of(self, names: Iterable[str]) -> list[int]:
        """The ids of those among these names; other names are ignored."""
        found = (self._by_name.get(name) for name in names)
        return [self.first + i for i in found if i is not None and self.details[i] is None]

    def name_of_unfinished(self, task_id: int) -> str | None:
        """The name of a task of this sheet that has not ended; None: there is no such task."""
        at = task_id - self.first
        there = 0 <= at < len(self.names) and self.details[at] is None
        return self.names[at] if there else None

    def names_of(self, ids: Sequence[int]) -> Iterator[str]:
        """The names of these tasks."""
        return (self.names[i - self.first] for i in ids)

    def find(self, ids: Sequence[int]) -> Sequence[int]:
        """Where among these ids are those of its tasks."""
        own = self.ids
        if ids and min(ids) in own and max(ids) in own:
            return range(len(ids))
        return [at for at, i in enumerate(ids) if i in own]

    def settle(self, ended: messages.Finished, places: Places) -> messages.Finished:
        """Take in tasks of it that ended; those of them that had not ended before."""
        runs = _runs(ended.ids, self.first)
        if any(self.details[here].count(None) < there.stop - there.start for here, there in runs):
            return self._settle_each(ended, places)
        for here, there in runs:
            count = there.stop - there.start
            self.details[here] = ended.details[there]
            self.statuses[here] = ended.statuses[there]
            self.seconds[here] = ended.seconds[there]
            self.attempts[here] = ended.attempts[there]
            self.instances[here] = [ended.instance] * count
            self.places[here] = places.take(count)
            self.left -= count
        return ended

    def _settle_each(self, ended: messages.Finished, places: Places) -> messages.Finished:
        left = [at for at, i in enumerate(ended.ids) if self.details[i - self.first] is None]
        ended = ended.part(left)
        for one, place in zip(ended.tasks, places.take(len(left)), strict=True):
            i = one.id - self.first
            self.details[i], self.statuses[i] = one.detail, one.status
            self.seconds[i], self.attempts[i] = one.seconds, one.attempts
            self.instances[i], self.places[i] = ended.instance, place
        self.left -= len(left)
        return ended

    def handle(self, book: TaskBook, index: int) -> Task[Any]:
        """A handle of one of its tasks, as it is now."""
        handle: Task[Any] = Task(
            book, self.first + index, self.names[index], self.digest, single=False
        )
        handle.pushed_at = self.pushed_at
        if self.command is not None:  # as all that follows, seldom set: it takes memory
            handle.command = self.command
        if self.algorithm is not None:
            handle.algorithm = self.algorithm
        if self.seeds is not None:
            handle.seed = self.seeds[index]
        detail = self.details[index]
        if detail is not None:
            finished = messages.FinishedTask(
                handle.id, self.statuses[index], self.seconds[index], self.attempts[index], detail
            )
            handle._settle(finished, self.instances[index])
            handle.ended_as = self.places[index]
        return handle


def _runs(ids: list[int], first: int) -> list[tuple[slice, slice]]:
    """Consecutive ids: where each run is in a sheet that begins with ``first``, and where here.

    Found by halving: most often there is one run, or a few.
    """
    runs = []
    parts = [slice(0, len(ids))] if ids else []
    while parts:
        there = parts.pop()
        start, count = ids[there.start], there.stop - there.start
        if count == 1 or ids[there] == [*range(start, start + count)]:
            runs.append((slice(start - first, start - first + count), there))
        else:
            middle = there.start + count // 2
            parts += (slice(middle, there.stop), slice(there.start, middle))
    return runs
