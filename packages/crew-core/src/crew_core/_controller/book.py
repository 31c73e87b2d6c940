"""Every task of a running controller: unfinished, finished, popped; names, counters, crashes.

The one place where the user's threads and the receiving thread meet. A lock guards it; when a
task ends or the dispatcher is lost, ``changed`` is notified and listeners are called.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from crew_core._controller.handle import Task
from crew_core._model.errors import ConfigError, CrewError
from crew_core._model.record import Record
from crew_core._model.states import BLAMELESS, Status
from crew_core._wire import messages

# One lock for all books: a task may be of two, its controller's and the backup's.
_lock = threading.RLock()

if hasattr(os, "register_at_fork"):  # a forked child must not find it held by a thread it lacks
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )

_places = itertools.count(1)  # one for all books: a group pops in order of completion, too

RecordMaker = Callable[[Task[Any], messages.FinishedTask, "str | None"], Record]

TakeOver = Callable[[Task[Any], messages.FinishedTask], None]
"""Takes the memory that a task's end gives us; see ``Parcels.take_over``."""

RunHere = Callable[[Callable[[], bool], Callable[[], object]], None]
"""Runs tasks in the thread that waits, where there are no workers; see ``Session.run_here``."""


class TaskBook:
    """Keeps account of tasks.

    Args:
        make_record: builds a record; called on the thread that asks for one.
        cancel: asks the dispatcher to stop tasks.
        trouble: what keeps unfinished tasks from ever ending, if anything does.
    """

    def __init__(
        self,
        make_record: RecordMaker,
        cancel: Callable[[list[int]], None],
        trouble: Callable[[], CrewError | None],
    ) -> None:
        self.changed = threading.Condition(_lock)
        self.make_record = make_record
        self.cancel = cancel
        self.trouble = trouble
        self.run_here: RunHere = _run_nothing
        self.take_over: TakeOver = _take_nothing
        self.pushed = 0
        self.popped = 0
        self.resolved = 0
        self.failure: CrewError | None = None
        self._next_id = 0
        self._open: dict[int, Task[Any]] = {}
        self._unpopped: dict[str, Task[Any]] = {}
        self._finished: deque[Task[Any]] = deque()
        self._crashes: dict[str, int] = defaultdict(int)
        self._commands: dict[bytes, int] = defaultdict(int)  # unfinished tasks by command
        self._stats: dict[tuple[str | None, str], list[float]] = {}
        self._listeners: set[Callable[[], None]] = set()

    # ── In ─────────────────────────────────────────────────────────────────────────────────────

    def open(self, names: Sequence[str], digest: bytes, *, single: bool = False) -> list[Task[Any]]:
        """Enter new tasks that share a command.

        Raises:
            ConfigError: a name is taken by a task that is not popped yet.
            CrewError: ``fail`` was called: nothing will ever end.
        """
        with self.changed:
            if self.failure is not None:
                raise self.failure
            if not single:
                self._check_names(names)
            handles = []
            for name in names:
                handle: Task[Any] = Task(self, self._next_id, name, digest, single=single)
                self._next_id += 1
                self._open[handle.id] = handle
                if not single:
                    self._unpopped[name] = handle
                handles.append(handle)
            self._commands[digest] += len(handles)
            if not single:
                self.pushed += len(handles)
            return handles

    def open_one(self, name: str, digest: bytes, *, single: bool) -> Task[Any]:
        """As ``open``, for one task."""
        with _lock:
            if self.failure is not None:
                raise self.failure
            if not single and name in self._unpopped:
                self._check_names([name])
            task_id = self._next_id
            self._next_id = task_id + 1
            handle: Task[Any] = Task(self, task_id, name, digest, single=single)
            self._open[task_id] = handle
            self._commands[digest] += 1
            if not single:
                self._unpopped[name] = handle
                self.pushed += 1
            return handle

    def withdraw(self, handles: Sequence[Task[Any]]) -> None:
        """Undo ``open`` for tasks that were never sent."""
        with self.changed:
            for handle in handles:
                del self._open[handle.id]
                self._release(handle.digest, 1)
                if not handle.single:
                    del self._unpopped[handle.name]
                    self.pushed -= 1
        self.wake()  # somebody may wait until nothing is left

    # ── From the receiving thread ──────────────────────────────────────────────────────────────

    def settle(self, message: messages.Finished) -> list[Task[Any]]:
        """Take in tasks that ended; their handles."""
        called = []
        settled = []
        with self.changed:
            for finished in message.tasks:
                handle = self._open.pop(finished.id, None)
                if handle is None:
                    continue
                if finished.segments:
                    self.take_over(handle, finished)
                handle._settle(finished, message.instance)
                settled.append(handle)
                if handle._extras is not None:
                    called.append((handle, handle._take_callbacks()))
            self._note_ended(settled)
            self._note_fates(settled, message.instance)
        self.wake()
        for handle, callbacks in called:
            handle._run_callbacks(callbacks)
        return settled

    def note_crashes(self, task_id: int, crashes: int) -> str | None:
        """A task crashed, so often in a row, and is being tried again; its name."""
        with self.changed:
            handle = self._open.get(task_id)
            if handle is None:
                return None
            self._crashes[handle.name] = crashes
            return handle.name

    def note_spent(self, message: messages.Spent) -> Task[Any] | None:
        """A task used up its crashes and is for the backup now; its handle."""
        with self.changed:
            handle = self._open.get(message.finished.id)
            if handle is not None:
                self._crashes[handle.name] = message.crashes
                self._count([message.finished], message.instance)
            return handle

    def come_home(
        self, finished: messages.FinishedTask, instance: str | None, *, count: bool
    ) -> bool:
        """A task that was lent ended. False when nobody waits for it any more.

        Args:
            finished: how.
            instance: the last of our own workers that ran it.
            count: among the tasks that ended here; otherwise the backup counts it.
        """
        with self.changed:
            handle = self._open.pop(finished.id, None)
            if handle is None:
                return False
            handle._settle(finished, instance)
            self._note_ended([handle])
            if finished.status == Status.SUCCESS:
                self._crashes.pop(handle.name, None)
            if count:
                self._count([finished], instance)
            callbacks = handle._take_callbacks()
        self.wake()
        handle._run_callbacks(callbacks)
        return True

    def mark_cancelled(self, ids: Sequence[int]) -> None:
        """Somebody wants these tasks stopped."""
        with self.changed:
            for task_id in ids:
                if task_id in self._open:
                    self._open[task_id].cancelling = True

    def fail(self, failure: CrewError) -> None:
        """Nothing that is unfinished will ever end."""
        called = []
        with self.changed:
            self.failure = self.failure or failure
            for handle in self._open.values():
                handle._fail(failure)
                called.append((handle, handle._take_callbacks()))
            self._open.clear()
        self.wake()
        for handle, waiting in called:
            handle._run_callbacks(waiting)

    def abandon(self, refusal: CrewError) -> None:
        """In a forked child: what is unfinished will never end here."""
        self.changed = threading.Condition()  # the old one's holder may be in the parent only
        for handle in self._open.values():
            handle._abandon(refusal)
        self._open.clear()
        self._listeners.clear()

    # ── Who waits ──────────────────────────────────────────────────────────────────────────────

    def wake(self) -> None:
        """Let those who wait look again."""
        with self.changed:
            self.changed.notify_all()
        for listener in tuple(self._listeners):
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Call it after each change, without the lock, on any thread. It may not block."""
        self._listeners.add(listener)

    def unlisten(self, listener: Callable[[], None]) -> None:
        """Call it no more."""
        self._listeners.discard(listener)

    # ── Out ────────────────────────────────────────────────────────────────────────────────────

    def pop(self) -> Task[Any] | None:
        """The next finished task, in order of completion, taken out."""
        with self.changed:
            if not self._finished:
                return None
            handle = self._finished.popleft()
            self._forget(handle)
            return handle

    def pop_all(self) -> list[Task[Any]]:
        """All finished tasks, taken out."""
        with self.changed:
            handles = list(self._finished)
            self._finished.clear()
            for handle in handles:
                self._forget(handle)
            return handles

    def take(self, handles: Sequence[Task[Any]]) -> None:
        """Take these finished tasks out, wherever they stand in the order."""
        with self.changed:
            wanted = {h.id for h in handles}
            self._finished = deque(h for h in self._finished if h.id not in wanted)
            for handle in handles:
                self._forget(handle)

    # ── Questions ──────────────────────────────────────────────────────────────────────────────

    @property
    def size(self) -> int:
        """Pushed tasks that are not popped."""
        return len(self._unpopped)

    @property
    def unfinished(self) -> int:
        """Tasks that have not ended, submitted ones included."""
        return len(self._open)

    @property
    def unresolved(self) -> int:
        """Pushed tasks that have not ended."""
        with self.changed:
            return len(self._unpopped) - len(self._finished)

    @property
    def poppable(self) -> bool:
        """True when ``pop`` would return something."""
        return bool(self._finished)

    @property
    def exhausted(self) -> bool:
        """True when nothing is left to pop, now or later."""
        with self.changed:  # not in the middle of a pop, which wakes nobody
            return not self._unpopped

    @property
    def oldest(self) -> int | None:
        """The place of the task that ``pop`` would return, among all tasks that have ended."""
        with self.changed:
            return self._finished[0].ended_as if self._finished else None

    def all_done(self, handles: Sequence[Task[Any]]) -> Callable[[], bool]:
        """A question for ``wait``: have these all ended? Cheap to ask again and again."""
        waiting = deque(handles)

        def done() -> bool:
            while waiting and waiting[0].done():
                waiting.popleft()
            return not waiting

        return done

    @property
    def any_crashes(self) -> bool:
        """True when ``crashes`` is not zero for all names."""
        return bool(self._crashes)

    def crashes(self, name: str) -> int:
        """Crashes in a row under this name."""
        with self.changed:
            return self._crashes.get(name, 0)

    def outstanding(self, digest: bytes) -> int:
        """Unfinished tasks with this command."""
        with self.changed:
            return self._commands.get(digest, 0)

    def ids(self, names: Sequence[str]) -> list[int]:
        """The ids of the unfinished among these names; others are ignored."""
        with self.changed:
            found = (self._unpopped.get(name) for name in names)
            return [h.id for h in found if h is not None and not h.done()]

    def all_ids(self) -> list[int]:
        """The ids of all unfinished tasks."""
        with self.changed:
            return list(self._open)

    def finished(self) -> list[Task[Any]]:
        """Finished tasks that are not popped, in order of completion."""
        with self.changed:
            return list(self._finished)

    def unpopped(self) -> list[Task[Any]]:
        """Pushed tasks that are not popped: the finished in order of completion, then the rest."""
        with self.changed:
            return [*self._finished, *(h for h in self._unpopped.values() if not h.done())]

    def find(self, name: str) -> Task[Any] | None:
        """The unpopped task of this name."""
        with self.changed:
            return self._unpopped.get(name)

    def statistics(self) -> dict[tuple[str | None, str], list[float]]:
        """(tasks, seconds) by instance and status."""
        with self.changed:
            return {key: list(value) for key, value in self._stats.items()}

    # ── Inside, under the lock ─────────────────────────────────────────────────────────────────

    def _check_names(self, names: Sequence[str]) -> None:
        taken = next((name for name in names if name in self._unpopped), None)
        if taken is None and len(names) > 1 and len(set(names)) < len(names):
            taken = next(name for i, name in enumerate(names) if name in names[:i])
        if taken is not None:
            raise ConfigError(
                f"a task named {taken!r} is there already and not popped: pop it first, or choose "
                "another name"
            )

    def _note_ended(self, handles: Sequence[Task[Any]]) -> None:
        pushed = []
        for digest, alike in groupby(handles, attrgetter("digest")):
            ended = list(alike)
            self._release(digest, len(ended))
            pushed += [handle for handle in ended if not handle.single]
        for handle, place in zip(handles, _places):  # noqa: B905  (there is always another place)
            handle.ended_as = place
        self.resolved += len(pushed)
        self._finished.extend(pushed)

    def _note_fates(self, handles: Sequence[Task[Any]], instance: str | None) -> None:
        ends = [finished for handle in handles if (finished := handle._finished) is not None]
        self._count(ends, instance)
        for handle, finished in zip(handles, ends, strict=True):
            if finished.status == Status.CRASH:
                cause = messages.decode_detail(finished.detail).cause
                self._crashes[handle.name] += cause not in BLAMELESS
            elif self._crashes and finished.status == Status.SUCCESS:
                self._crashes.pop(handle.name, None)

    def _count(self, ends: Sequence[messages.FinishedTask], instance: str | None) -> None:
        for status, alike in groupby(ends, attrgetter("status")):
            seconds = [finished.seconds or 0.0 for finished in alike]
            row = self._stats.setdefault((instance, Status(status).word), [0, 0.0])
            row[0] += len(seconds)
            row[1] += sum(seconds)

    def _release(self, digest: bytes, count: int) -> None:
        self._commands[digest] -= count
        if not self._commands[digest]:
            del self._commands[digest]

    def _forget(self, handle: Task[Any]) -> None:
        del self._unpopped[handle.name]
        self.popped += 1


def _take_nothing(handle: Task[Any], finished: messages.FinishedTask) -> None:
    """Where nothing is given."""


def _run_nothing(done: Callable[[], bool], between: Callable[[], object]) -> None:
    """Where there are workers."""
