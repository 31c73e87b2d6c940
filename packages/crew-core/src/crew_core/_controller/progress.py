"""Waits of ``map`` and ``wait``, with a bar where a person looks on."""

from __future__ import annotations

import operator
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import astuple

from crew_core._controller.waiting import wait_until

if TYPE_CHECKING:
    from crew_core._controller.session import Session
    from crew_core._controller.sheet import Sheet

_REFRESH_SECONDS = 0.2
_PLAIN_NOTEBOOKS = "IProgress not found"  # without ipywidgets a notebook shows the bar as text


class Counts(msgspec.Struct, frozen=True):
    """What the bar tells.

    Attributes:
        total: tasks that are waited for.
        done: those that ended, the failed included.
        failed: those that ended otherwise than with success.
        running: tasks that workers are running.
        queued: tasks that no worker has started.
        online: connected workers.
        coming: workers that were launched and are not connected.
    """

    total: int
    done: int
    failed: int
    running: int
    queued: int
    online: int
    coming: int

    def __add__(self, other: Counts) -> Counts:
        return Counts(*map(operator.add, astuple(self), astuple(other)))

    def words(self) -> str:
        """All but the done, as they stand behind the bar."""
        launched = f" of {self.online + self.coming}" if self.coming else ""
        workers = f"{self.online}{launched} workers"
        return f"{self.queued} queued, {self.running} running, {self.failed} failed, {workers}"


_NOTHING = Counts(0, 0, 0, 0, 0, 0, 0)


def wait_showing(
    sessions: Sequence[Session],
    done: Callable[[], bool],
    seconds: float,
    progress: bool | None,
    sheet: Sheet | None = None,
) -> bool:
    """As ``wait_until``; show meanwhile how the pushed tasks are getting on.

    Args:
        sessions: whose tasks.
        done: what to wait for.
        seconds: the longest wait.
        progress: True, False, or None for a bar in a terminal and in a notebook only.
        sheet: all that is waited for, if it is one.
    """
    deadline = time.monotonic() + seconds
    with _showing(sessions, progress, sheet) as seconds_between:
        for session in sessions:
            session.run_here(lambda: done() or time.monotonic() >= deadline, seconds_between)
        while True:
            limit = min(seconds_between(), deadline - time.monotonic())
            if wait_until(sessions, done, limit, sheet):
                return True
            if time.monotonic() >= deadline:
                return False


@contextmanager
def _showing(
    sessions: Sequence[Session], progress: bool | None, sheet: Sheet | None
) -> Iterator[Callable[[], float]]:
    """Show a bar in the body.

    Yields:
        A function to call before each wait: it brings the bar up to date and says how many
        seconds to wait at most until it is called again.
    """
    if progress is False or (progress is None and not _somebody_looks()):
        yield lambda: float("inf")
        return
    counters = [_counter(session, sheet) for session in sessions]
    with _bar() as bar:

        def refresh() -> float:
            counts = sum((count() for count in counters), start=_NOTHING)
            bar.total, bar.n = counts.total, counts.done
            bar.set_postfix_str(counts.words(), refresh=False)
            bar.refresh()
            return _REFRESH_SECONDS

        yield refresh
        refresh()


def _bar() -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_PLAIN_NOTEBOOKS)
        from tqdm.auto import tqdm
    # Without tqdm's tasks per second, so that a line of 80 characters shows all counts.
    return tqdm(total=0, bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}]{postfix}")


def _counter(session: Session, sheet: Sheet | None) -> Callable[[], Counts]:
    book = session.book
    with book.changed:  # no task ends between the looks
        statuses = [] if sheet is None else _statuses(sheet)
        resolved = book.resolved - len(statuses)
        failed = _failures(session) - sum(map(bool, statuses))

    def count() -> Counts:
        with book.changed:  # no task ends between the two
            done, left = book.resolved - resolved, book.unresolved
        running = session.client.inspect().running if left else 0
        return Counts(
            total=done + left,
            done=done,
            failed=min(done, _failures(session) - failed),
            running=min(running, left),
            queued=max(left - running, 0),
            online=session.roster.online(),
            coming=len(session.roster.coming()),
        )

    return count


def _statuses(sheet: Sheet) -> list[int]:
    """Of its tasks that have ended already, before anybody was to look."""
    if sheet.handles is None:
        pairs = zip(sheet.statuses, sheet.details, strict=True)
        return [status for status, detail in pairs if detail is not None]
    ends = [handle._finished for handle in sheet.handles]
    return [finished.status for finished in ends if finished is not None]


def _failures(session: Session) -> int:
    ended = session.book.statistics().items()
    return sum(int(tasks) for (_, status), (tasks, _) in ended if status != "success")


def _somebody_looks() -> bool:
    if sys.stderr is not None and sys.stderr.isatty():
        return True
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return type(shell).__name__ == "ZMQInteractiveShell"
