"""What a book knows of its tasks, and the questions that it answers."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Any

from crew_core._controller.handle import Task
from crew_core._controller.sheet import Sheet
from crew_core._controller.sheets import Sheets
from crew_core._controller.tally import Tally
from crew_core._model.errors import CrewError

# One lock for all books: a task may be of two, its controller's and the backup's.
_lock = threading.RLock()

if hasattr(os, "register_at_fork"):  # a forked child must not find it held by a thread it lacks
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )


class Pages(ABC):
    """The part of ``TaskBook`` that changes nothing, but for who has a handle."""

    def __init__(self) -> None:
        self.lock = _lock
        self.changed = threading.Condition(_lock)
        self.pushed = 0
        self.popped = 0
        self.resolved = 0
        self.failure: CrewError | None = None
        self._open: dict[int, Task[Any]] = {}
        self._sheets = Sheets()
        self._unpopped: dict[str, Task[Any]] = {}
        self._finished: deque[Task[Any]] = deque()
        self._tally = Tally()
        self._commands: dict[bytes, int] = defaultdict(int)  # unfinished tasks by command

    @abstractmethod
    def spread(self, sheet: Sheet) -> list[Task[Any]]:
        """Give the tasks of a sheet their handles."""

    def _spread_all(self) -> None:
        for sheet in self._sheets:
            self.spread(sheet)

    @property
    def size(self) -> int:
        """Pushed tasks that are not popped."""
        with self.changed:  # not while a sheet is being spread
            return len(self._unpopped) + self._sheets.size

    @property
    def unfinished(self) -> int:
        """Tasks that have not ended, submitted ones included."""
        with self.changed:
            return len(self._open) + (self._sheets.left if self.failure is None else 0)

    @property
    def unresolved(self) -> int:
        """Pushed tasks that have not ended."""
        with self.changed:
            return len(self._unpopped) - len(self._finished) + self._sheets.left

    @property
    def poppable(self) -> bool:
        """True when ``pop`` would return something."""
        with self.changed:
            return bool(self._finished) or self._sheets.left < self._sheets.size

    @property
    def exhausted(self) -> bool:
        """True when nothing is left to pop, now or later."""
        with self.changed:  # not in the middle of a pop, which wakes nobody
            return not self.size

    @property
    def oldest(self) -> int | None:
        """The place of the task that ``pop`` would return, among all tasks that have ended."""
        with self.changed:
            self._spread_all()
            return self._finished[0].ended_as if self._finished else None

    def all_done(self, sheet: Sheet) -> Callable[[], bool]:
        """A question for ``wait``: have its tasks all ended? Cheap to ask again and again."""
        waiting: deque[Task[Any]] | None = None

        def done() -> bool:
            nonlocal waiting
            if sheet.handles is None:
                return not sheet.left
            if waiting is None:
                waiting = deque(sheet.handles)
            while waiting and waiting[0].done():
                waiting.popleft()
            return not waiting

        return done

    @property
    def any_crashes(self) -> bool:
        """True when ``crashes`` is not zero for all names."""
        return bool(self._tally.crashes)

    def crashes(self, name: str) -> int:
        """Crashes in a row under this name."""
        with self.changed:
            return self._tally.crashes.get(name, 0)

    def outstanding(self, digest: bytes) -> int:
        """Unfinished tasks with this command."""
        with self.changed:
            return self._commands.get(digest, 0)

    def ids(self, names: Sequence[str]) -> list[int]:
        """The ids of the unfinished among these names; others are ignored."""
        with self.changed:
            handles = (self._unpopped.get(name) for name in names)
            found = [h.id for h in handles if h is not None and not h.done()]
            return found + self._sheets.unfinished_of(names)

    def all_ids(self) -> list[int]:
        """The ids of all unfinished tasks."""
        with self.changed:
            return [*self._open, *self._sheets.unfinished]

    def unfinished_of(self, executor: object) -> list[Task[Any]]:
        """The unfinished tasks that were submitted through this executor."""
        with self.changed:
            return [handle for handle in self._open.values() if handle.executor is executor]

    def finished(self) -> list[Task[Any]]:
        """Finished tasks that are not popped, in order of completion."""
        with self.changed:
            self._spread_all()
            return list(self._finished)

    def unpopped(self) -> list[Task[Any]]:
        """Pushed tasks that are not popped: the finished in order of completion, then the rest."""
        with self.changed:
            self._spread_all()
            return [*self._finished, *(h for h in self._unpopped.values() if not h.done())]

    def find(self, name: str) -> Task[Any] | None:
        """The unpopped task of this name."""
        with self.changed:
            self._spread_all()
            return self._unpopped.get(name)

    def statistics(self) -> dict[tuple[str | None, str], list[float]]:
        """(tasks, seconds) by instance and status."""
        with self.changed:
            return self._tally.rows()
