"""The tasks of one network: in which state each is, and how it goes from one to the next. Pure.

::

    push ─► queued ─pop─► pending ─begin─► running ─decide─► finished | failed
               ▲             │                │
               └── its worker is lost         └── its worker is lost: failed
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from crew_rush._model.facts import Task
from crew_rush._model.states import TaskState
from crew_rush._store.base import Outcome


class Entry(msgspec.Struct, array_like=True):
    """A task. The fields are as they came."""

    fields: dict[str, bytes]
    state: TaskState
    worker_id: str
    attempt: str = ""
    """Of who decided it."""

    def shown(self, key: str) -> Task:
        return Task(key, self.fields, self.state.value, self.worker_id)


class Lists(msgspec.Struct, frozen=True, array_like=True):
    """Which tasks are in which state, in order."""

    queue: list[str]
    pending: dict[str, str]
    running: list[str]
    failed: list[str]
    finished: list[str]


class Book:
    """All tasks of a network.

    Attributes:
        era: changes with each reset, so that who has read some knows that they are gone.
    """

    def __init__(self, era: str = "") -> None:
        self.era = era or os.urandom(8).hex()
        self._entries: dict[str, Entry] = {}
        self._queue: deque[str] = deque()
        self._pending: dict[str, str] = {}  # worker's id: key
        self._running: dict[str, None] = {}
        self._failed: list[str] = []
        self._finished: list[str] = []

    # ── Changes ────────────────────────────────────────────────────────────────────────────────

    def push(self, tasks: Iterable[Outcome], state: TaskState, worker_id: str) -> None:
        """Add tasks whose key is new."""
        for key, fields in tasks:
            if key not in self._entries:
                self._entries[key] = Entry(fields, state, worker_id)
                self._enter(key, state)

    def pop(self, worker_id: str) -> Task | None:
        """The task that is pending for this worker, else the oldest that is queued."""
        key = self._pending.get(worker_id)
        if key is None:
            if not self._queue:
                return None
            key = self._pending[worker_id] = self._queue.popleft()
            entry = self._entries[key]
            entry.state, entry.worker_id = TaskState.PENDING, worker_id
        return self._entries[key].shown(key)

    def begin(self, worker_id: str, key: str) -> bool:
        """A pending task is running; so it is when that was said before."""
        entry = self._entries.get(key)
        if entry is None or entry.worker_id != worker_id:
            return False
        if entry.state is TaskState.PENDING:
            del self._pending[worker_id]
            entry.state = TaskState.RUNNING
            self._running[key] = None
        return entry.state is TaskState.RUNNING

    def decide(self, state: TaskState, attempt: str, outcomes: Iterable[Outcome]) -> list[bool]:
        """Finish or fail what is running, each task once."""
        return [self._decide(state, attempt, key, fields) for key, fields in outcomes]

    def empty_queue(self, condition: bytes) -> int:
        """Fail what is queued."""
        keys = list(self._queue)
        self._queue.clear()
        for key in keys:
            self._fail(key, {"condition": condition})
        return len(keys)

    def forsake(self, worker_id: str, condition: bytes) -> None:
        """A worker is no more: what it ran fails; what it had not begun is queued, as first."""
        key = self._pending.pop(worker_id, None)
        if key is not None:
            entry = self._entries[key]
            entry.state, entry.worker_id = TaskState.QUEUED, ""
            self._queue.appendleft(key)
        for key in [k for k in self._running if self._entries[k].worker_id == worker_id]:
            del self._running[key]
            self._fail(key, {"condition": condition})

    # ── Questions ──────────────────────────────────────────────────────────────────────────────

    def count(self, state: TaskState) -> int:
        """How many tasks are in a state."""
        return len(self._in(state))

    def keys(self, state: TaskState | None) -> list[str]:
        """Keys of the tasks in a state, or of all."""
        return list(self._entries if state is None else self._in(state))

    def read(self, keys: Iterable[str]) -> list[Task | None]:
        """Tasks by their keys."""
        entries = ((key, self._entries.get(key)) for key in keys)
        return [None if entry is None else entry.shown(key) for key, entry in entries]

    def states(self, keys: Iterable[str]) -> list[str | None]:
        """States of tasks by their keys."""
        entries = map(self._entries.get, keys)
        return [None if entry is None else entry.state.value for entry in entries]

    def finished_from(self, start: int, most: int) -> list[Task]:
        """Finished tasks from a position on; about so many bytes at most, but one at least."""
        shown: list[Task] = []
        size = 0
        for index in range(start, len(self._finished)):
            task = self._entries[self._finished[index]].shown(self._finished[index])
            size += sum(map(len, task.fields.values()))
            if shown and size > most:
                break
            shown.append(task)
        return shown

    # ── All that there is, to be kept elsewhere ────────────────────────────────────────────────

    def entries(self) -> Iterable[tuple[str, Entry]]:
        """Tasks by their keys, in the order in which they came."""
        return self._entries.items()

    def lists(self) -> Lists:
        """Where they are."""
        return Lists(
            queue=list(self._queue),
            pending=self._pending,
            running=list(self._running),
            failed=self._failed,
            finished=self._finished,
        )

    def put(self, entries: Iterable[tuple[str, Entry]]) -> None:
        """Add tasks as they were. ``arrange`` must follow."""
        self._entries.update(entries)

    def arrange(self, lists: Lists) -> None:
        """Say where all of them are."""
        self._queue = deque(lists.queue)
        self._pending = dict(lists.pending)
        self._running = dict.fromkeys(lists.running)
        self._failed = list(lists.failed)
        self._finished = list(lists.finished)

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _enter(self, key: str, state: TaskState) -> None:
        if state is TaskState.QUEUED:
            self._queue.append(key)
        elif state is TaskState.RUNNING:
            self._running[key] = None
        else:
            (self._finished if state is TaskState.FINISHED else self._failed).append(key)

    def _decide(self, state: TaskState, attempt: str, key: str, fields: dict[str, bytes]) -> bool:
        entry = self._entries.get(key)
        if entry is None:
            return False
        if entry.state is not TaskState.RUNNING:
            return entry.attempt == attempt and entry.state is state
        del self._running[key]
        entry.attempt = attempt
        if state is TaskState.FAILED:
            self._fail(key, fields)
        else:
            entry.fields = {**entry.fields, **fields}
            entry.state = state
            self._finished.append(key)
        return True

    def _fail(self, key: str, fields: dict[str, bytes]) -> None:
        entry = self._entries[key]
        entry.fields = {**entry.fields, **fields}
        entry.state = TaskState.FAILED
        self._failed.append(key)

    def _in(self, state: TaskState) -> Sequence[str] | dict[str, None] | deque[str]:
        if state is TaskState.PENDING:
            return list(self._pending.values())
        if state is TaskState.QUEUED:
            return self._queue
        if state is TaskState.RUNNING:
            return self._running
        return self._finished if state is TaskState.FINISHED else self._failed
