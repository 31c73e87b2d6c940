"""Which log belongs to what a user points at, and its text."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crew_core._controller.ended import Origin
from crew_core._controller.handle import Task
from crew_core._launcher.base import Launcher
from crew_core._model.errors import ConfigError
from crew_core._model.record import Record
from crew_core._wire.capped_log import read_log

if TYPE_CHECKING:
    from crew_core._controller.session import Session

_NAMES_KEPT = 10_000
_PATIENCE_SECONDS = 60.0  # for a platform to tell what a worker printed


class LogIndex:
    """The logs of tasks that were popped lately, by name."""

    def __init__(self) -> None:
        self._logs: OrderedDict[str, str] = OrderedDict()
        self._tables: list[tuple[Sequence[str], Sequence[Origin]]] = []  # newer than those

    def add(self, record: Record) -> None:
        """Remember a popped record's log."""
        if record.log is not None:
            self._take_in_tables()
            self._note(record.name, record.log)

    def add_all(self, names: Sequence[str], origins: Sequence[Origin]) -> None:
        """As ``add`` for many, by where they ran; sorted in when somebody asks, if ever."""
        if len(names) >= _NAMES_KEPT:
            self._logs.clear()
            self._tables.clear()
        self._tables.append((names[-_NAMES_KEPT:], origins[-_NAMES_KEPT:]))
        if sum(len(names) for names, _ in self._tables) > 2 * _NAMES_KEPT:
            self._take_in_tables()

    def get(self, name: str) -> str | None:
        """The log of a popped task."""
        self._take_in_tables()
        return self._logs.get(name)

    def _take_in_tables(self) -> None:
        while self._tables:
            for name, origin in zip(*self._tables.pop(0), strict=True):
                if origin.log is not None:
                    self._note(name, origin.log)

    def _note(self, name: str, log: str) -> None:
        self._logs.pop(name, None)  # the latest come last
        self._logs[name] = log
        if len(self._logs) > _NAMES_KEPT:
            self._logs.popitem(last=False)


def read(
    of: int | str | Task[Any] | Record,
    session: Session | None,
    index: LogIndex,
    controller: str,
    launcher: Launcher,
) -> str:
    """The text of the log that ``of`` points at; see ``Controller.logs``."""
    found = find(of, session, index)
    if found is None and session is not None and session.runs_here:
        raise ConfigError(
            f"logs({of!r}): controller {controller!r} runs its tasks in this process: what they "
            "print goes where this process's own output goes"
        )
    if found is None:
        raise ConfigError(
            f"logs({of!r}): controller {controller!r} knows no such worker or finished task; "
            "launcher.summary() lists the workers"
        )
    if not os.path.isabs(found):  # a place that the platform named
        return launcher.read_log(found) or ""
    return read_log(found) or _kept_elsewhere(found, session)


def _kept_elsewhere(log: str, session: Session | None) -> str:
    """The text of a log that is on no disk of this computer, as its worker's platform kept it."""
    if session is None or session.runs_here or os.path.exists(log):
        return ""
    told: list[str] = []
    came = threading.Event()

    def done(text: str) -> None:
        told.append(text)
        came.set()

    for row in session.roster.rows():
        if row.log == log and row.has_handle:
            session.platform.logs(row, done)
            came.wait(_PATIENCE_SECONDS)
    return "".join(told)


def find(
    of: int | str | Task[Any] | Record, session: Session | None, index: LogIndex
) -> str | None:
    """Where the log is that ``of`` points at; None: nothing is known of it."""
    if isinstance(of, bool) or not isinstance(of, (int, str, Task, Record)):
        raise TypeError(f"logs({of!r}): must be a worker's number, a task's name, handle or record")
    return _of_worker(of, session) if isinstance(of, int) else _of_task(of, session, index)


def _of_worker(worker: int, session: Session | None) -> str | None:
    for number, _, row in [] if session is None else session.roster.latest():
        if number == worker:
            return row.log
    return None


def _of_task(of: str | Task[Any] | Record, session: Session | None, index: LogIndex) -> str | None:
    if isinstance(of, str):
        handle = None if session is None else session.book.find(of)
        record = None if handle is None else handle.record
        return index.get(of) if record is None else record.log
    record = of.record if isinstance(of, Task) else of
    return None if record is None else record.log
