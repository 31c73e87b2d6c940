"""Every task of a running controller: unfinished, finished, popped; names, counters, crashes.

The one place where the user's threads and the receiving thread meet. A lock guards it; when a
task ends or the dispatcher is lost, ``changed`` is notified and listeners are called.
"""

from __future__ import annotations

import heapq
import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from crew_core._controller.handle import Task
from crew_core._controller.pages import Pages
from crew_core._controller.sheet import Places, Sheet
from crew_core._model.errors import ConfigError, CrewError
from crew_core._model.record import Record
from crew_core._model.states import Status
from crew_core._wire import messages

_places = Places()  # one for all books: a group pops in order of completion, too

_place, _name = attrgetter("ended_as"), attrgetter("_name")

RecordMaker = Callable[[Task[Any], messages.FinishedTask, "str | None"], Record]

TakeOver = Callable[[Task[Any], messages.FinishedTask], None]
"""Takes the memory that a task's end gives us; see ``Parcels.take_over``."""

_Called = tuple[Task[Any], list[Callable[[Any], object]]]
"""A task that ended, and the callbacks that are to be told."""

RunHere = Callable[[Callable[[], bool], Callable[[], object]], None]
"""Runs tasks in the thread that waits, where there are no workers; see ``Session.run_here``."""


class TaskBook(Pages):
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
        super().__init__()
        self.make_record = make_record
        self.cancel = cancel
        self.trouble = trouble
        self.run_here: RunHere = _run_nothing
        self.take_over: TakeOver = _take_nothing
        self._next_id = 0
        self._listeners: dict[Callable[[], None], Sheet | None] = {}

    # ── In ─────────────────────────────────────────────────────────────────────────────────────

    def open_one(self, name: str, digest: bytes, *, single: bool) -> Task[Any]:
        """Enter a new task. One that is ``single`` is consumed through its handle alone.

        Raises:
            ConfigError: its name is taken by a task that is not popped yet.
            CrewError: ``fail`` was called: nothing will ever end.
        """
        with self.lock:
            if self.failure is not None:
                raise self.failure
            if not single and (name in self._unpopped or self._sheets):
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

    def open_sheet(
        self,
        names: list[str],
        digest: bytes,
        *,
        command: str | None = None,
        seeds: list[int] | None = None,
        algorithm: str | None = None,
    ) -> Sheet:
        """Enter new tasks that share a command, without handles. Their names are distinct.

        Raises:
            ConfigError, CrewError: as ``open_one``.
        """
        with self.changed:
            if self.failure is not None:
                raise self.failure
            if self.size:
                self._check_names(names)
            sheet = Sheet(
                self._next_id, names, digest, command=command, seeds=seeds, algorithm=algorithm
            )
            self._next_id += len(sheet)
            self._commands[digest] += len(sheet)
            self.pushed += len(sheet)
            self._sheets.add(sheet)
            return sheet

    def spread(self, sheet: Sheet) -> list[Task[Any]]:
        """Give the tasks of a sheet their handles."""
        with self.changed:
            if sheet.handles is None:
                handles = [sheet.handle(self, i) for i in range(len(sheet))]
                left = [handle for handle in handles if handle._finished is None]
                ended = sorted(filter(Task.done, handles), key=_place)
                self._unpopped.update(zip(sheet.names, handles, strict=True))
                self._finished = deque(heapq.merge(self._finished, ended, key=_place))
                if self.failure is None:
                    self._open.update((handle.id, handle) for handle in left)
                else:
                    for handle in left:
                        handle._fail(self.failure)
                self._sheets.remove(sheet)
                sheet.handles = handles
            return sheet.handles

    def withdraw_sheet(self, sheet: Sheet) -> None:
        """Undo ``open_sheet``: its tasks, or some, were never sent."""
        with self.changed:
            if sheet in self._sheets and sheet.left < len(sheet):
                self.spread(sheet)  # those that have ended are there to be popped
            if sheet.handles is not None:
                self.withdraw([handle for handle in sheet.handles if handle.id in self._open])
            elif sheet in self._sheets:
                self._sheets.remove(sheet)
                self._release(sheet.digest, sheet.left)
                self.pushed -= len(sheet)
        self.wake()

    def withdraw(self, handles: Sequence[Task[Any]]) -> None:
        """Undo ``open_one`` for tasks that were not sent, as far as their caller knows."""
        with self.changed:
            for handle in handles:
                if self._open.pop(handle.id, None) is None:
                    continue  # it was sent, and has ended
                self._release(handle.digest, 1)
                if not handle.single:
                    del self._unpopped[handle.name]
                    self.pushed -= 1
        self.wake()  # somebody may wait until nothing is left

    # ── From the receiving thread ──────────────────────────────────────────────────────────────

    def settle(self, message: messages.Finished) -> list[Task[Any]]:
        """Take in tasks that ended; their handles."""
        called: list[_Called] = []
        settled: list[Task[Any]] = []
        with self.changed:
            if message.segments:
                self._spread_all()
            parts = self._sheets.parted(message)
            for sheet, part in parts:
                if sheet is None:
                    settled += self._settle_handles(part, called)
                else:
                    self._settle_sheet(sheet, part)
            only = parts[0][0] if len(parts) == 1 else None
        self.wake(only if only is not None and only.left else None)
        for handle, callbacks in called:
            handle._run_callbacks(callbacks)
        return settled

    def note_crashes(self, task_id: int, crashes: int) -> str | None:
        """A task crashed, so often in a row, and is being tried again; its name."""
        with self.changed:
            handle = self._open.get(task_id)
            found = self._sheets.name_of_unfinished(task_id)
            name = found if handle is None else handle.name
            if name is not None:
                self._tally.crashes[name] = crashes
            return name

    def note_spent(self, message: messages.Spent) -> Task[Any] | None:
        """A task used up its crashes and is for the backup now; its handle."""
        with self.changed:
            self._spread_all()
            handle = self._open.get(message.finished.id)
            if handle is not None:
                self._tally.crashes[handle.name] = message.crashes
                self._tally.count(message.finished, message.instance)
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
                self._tally.crashes.pop(handle.name, None)
            if count:
                self._tally.count(finished, instance)
            callbacks = handle._take_callbacks()
        self.wake()
        handle._run_callbacks(callbacks)
        return True

    def mark_cancelled(self, ids: Sequence[int]) -> None:
        """Somebody wants these tasks stopped."""
        with self.changed:
            self._spread_all()
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
        self._sheets.clear()
        self._listeners.clear()

    # ── Who waits ──────────────────────────────────────────────────────────────────────────────

    def wake(self, unfinished: Sheet | None = None) -> None:
        """Let those who wait look again.

        Args:
            unfinished: nothing has changed but that some tasks of this sheet ended, not the last.
        """
        with self.changed:
            self.changed.notify_all()
        for listener, sheet in tuple(self._listeners.items()):
            if sheet is None or sheet is not unfinished:
                listener()

    def listen(self, listener: Callable[[], None], sheet: Sheet | None = None) -> None:
        """Call it after each change, without the lock, on any thread. It may not block.

        Args:
            listener: what to call.
            sheet: what is waited for: that some of its tasks ended is no change, as long as others
                have not.
        """
        self._listeners[listener] = sheet

    def unlisten(self, listener: Callable[[], None]) -> None:
        """Call it no more."""
        self._listeners.pop(listener, None)

    # ── Out ────────────────────────────────────────────────────────────────────────────────────

    def pop(self) -> Task[Any] | None:
        """The next finished task, in order of completion, taken out."""
        with self.changed:
            self._spread_all()
            if not self._finished:
                return None
            handle = self._finished.popleft()
            self._forget(handle)
            return handle

    def pop_all(self) -> list[Task[Any]]:
        """All finished tasks, taken out."""
        with self.changed:
            self._spread_all()
            handles = list(self._finished)
            self._finished.clear()
            for handle in handles:
                self._forget(handle)
            return handles

    def take(self, sheet: Sheet) -> None:
        """Take the tasks of a sheet out, which have all ended, but for those that others popped."""
        with self.changed:
            if sheet.handles is None:
                self._sheets.remove(sheet)
                self.popped += len(sheet)
                return
            gone = set(sheet.handles)
            self._finished = deque(h for h in self._finished if h not in gone)
            for handle in sheet.handles:
                if self._unpopped.get(handle.name) is handle:
                    self._forget(handle)

    # ── Inside, under the lock ─────────────────────────────────────────────────────────────────

    def _check_names(self, names: Sequence[str]) -> None:
        taken = next((name for name in names if self._is_taken(name)), None)
        if taken is not None:
            raise ConfigError(
                f"a task named {taken!r} is there already and not popped: pop it first, or choose "
                "another name"
            )

    def _is_taken(self, name: str) -> bool:
        return name in self._unpopped or self._sheets.has_name(name)

    def _settle_sheet(self, sheet: Sheet, ended: messages.Finished) -> None:
        if self.failure is not None:
            return
        ended = sheet.settle(ended, _places)
        self._release(sheet.digest, len(ended.ids))
        self.resolved += len(ended.ids)
        self._tally.note(sheet.names_of(ended.ids), ended)

    def _settle_handles(self, ended: messages.Finished, called: list[_Called]) -> list[Task[Any]]:
        handles, here = [], []
        for at, finished in enumerate(ended.tasks):
            handle = self._open.pop(finished.id, None)
            if handle is None:
                continue
            if finished.segments:
                self.take_over(handle, finished)
            handle._settle(finished, ended.instance)
            handles.append(handle)
            here.append(at)
            if handle._extras is not None:
                called.append((handle, handle._take_callbacks()))
        self._note_ended(handles)
        self._tally.note(map(_name, handles), ended.part(here))
        return handles

    def _note_ended(self, handles: Sequence[Task[Any]]) -> None:
        pushed = []
        for digest, alike in groupby(handles, attrgetter("digest")):
            ended = list(alike)
            self._release(digest, len(ended))
            pushed += [handle for handle in ended if not handle.single]
        for handle, place in zip(handles, _places.take(len(handles)), strict=True):
            handle.ended_as = place
        self.resolved += len(pushed)
        self._finished.extend(pushed)

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
