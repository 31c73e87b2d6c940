"""What was decided about workers, and why: the latest in memory, and in a file for others to read.

One file for each session, a line of JSON for each entry; a header comes first::

    STATE / decisions / PID - TOKEN.log

Entries are made when workers are asked for, come and go, and when the reason for doing nothing
changes: as often as workers do something, never as often as tasks. The file begins afresh with the
latest entries when it has grown large. A disk that is full ends the file, never the session.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from crew_core._model.names import token
from crew_core._wire import places

KEPT = 500
"""How many of the latest entries are kept in memory, and in a file that begins afresh."""

_BYTES_MOST = 1 << 20
_JOBS_MOST = 100
_WITHOUT_DIGITS = str.maketrans("", "", "0123456789")

IDLE = ("held", "enough")
"""Entries that say why nothing is done: each once, however often it is looked at."""


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """Whose journal it is.

    Attributes:
        controller: the controller's name.
        launcher: the launcher's name.
        workers: most workers at once.
        pid: the user's process.
        began: when the session did, in seconds since 1970.
        log_directory: where its workers' logs are.
    """

    controller: str
    launcher: str
    workers: int
    pid: int
    began: float
    log_directory: str


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was decided, or that happened.

    Attributes:
        at: when, in seconds since 1970.
        what: "asked" (for workers), "enough" (of them), "held" (back), "waits" (a job), "joined",
            "left", "lost", "failed", "cancelled" (a worker), "refused" (a launch), "stopped" and
            "resumed" (launching), or "ended" (the session).
        why: in words.
        count: of how many workers or jobs this is said.
        jobs: the platform's names of some of them.
        demand: tasks that had not ended then.
        online: workers that were connected after it.
        coming: workers that were on their way after it.
    """

    at: float
    what: str
    why: str = ""
    count: int = 1
    jobs: tuple[str, ...] = ()
    demand: int = 0
    online: int = 0
    coming: int = 0


class Note(Protocol):
    """How whoever decides tells the journal."""

    def __call__(
        self, what: str, why: str, count: int = 1, jobs: Sequence[str | None] = ()
    ) -> None:
        """Enter something; see ``Entry``."""


def keep_quiet(what: str, why: str, count: int = 1, jobs: Sequence[str | None] = ()) -> None:
    """Where there is no journal."""


class Journal:
    """The journal of one session. Safe to use from any thread.

    Args:
        header: whose it is.
        count: tasks that have not ended, workers online, workers on their way.
        directory: where the file goes; None: there is none.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        header: Header,
        count: Callable[[], tuple[int, int, int]],
        directory: Path | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.header = header
        self._count = count
        self._clock = clock
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._lock = threading.Lock()
        self._directory = directory
        self._path: Path | None = None
        self._written = 0

    @property
    def entries(self) -> list[Entry]:
        """The latest, oldest first."""
        with self._lock:
            return list(self._entries)

    def note(self, what: str, why: str, count: int = 1, jobs: Sequence[str | None] = ()) -> None:
        """Enter something, unless it is the reason for doing nothing that was entered last."""
        if what == "ended" and not self._entries:
            return  # there is nothing to tell
        demand, online, coming = self._count()
        entry = Entry(
            at=self._clock(),
            what=what,
            why=why,
            count=count,
            jobs=tuple(job for job in jobs[:_JOBS_MOST] if job is not None),
            demand=demand,
            online=online,
            coming=coming,
        )
        with self._lock:
            if what in IDLE and self._is_said(entry):
                return
            self._entries.append(entry)
            if self._directory is not None:
                self._write(entry)

    def _is_said(self, entry: Entry) -> bool:
        """True when nothing but numbers has changed since the last entry of this kind."""
        for before in reversed(self._entries):
            if before.what == "asked":
                return False
            if before.what in IDLE:
                return _plain(before) == _plain(entry)
        return False

    def _write(self, entry: Entry) -> None:
        try:
            if self._path is None:
                self._path = self._make_path()
                self._begin(self._path)
            elif self._written > _BYTES_MOST:
                self._begin(self._path)
            else:
                self._append(self._path, [entry])
        except OSError:
            self._directory = None  # what is in memory goes on

    def _make_path(self) -> Path:
        assert self._directory is not None
        places.make_directories(self._directory)
        places.prune_logs_daily(self._directory)
        return self._directory / f"{self.header.pid}-{token(4)}.log"

    def _begin(self, path: Path) -> None:
        """Write the header and what is in memory, in place of what was there."""
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        self._written = 0
        self._append(fresh, [self.header, *self._entries])
        fresh.replace(path)

    def _append(self, path: Path, lines: Sequence[Header | Entry]) -> None:
        data = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self._written += os.write(descriptor, data)
        finally:
            os.close(descriptor)


class Story(msgspec.Struct, frozen=True):
    """A journal as others read it: whose it is, and its entries, oldest first."""

    header: Header
    entries: Sequence[Entry]

    @property
    def has_ended(self) -> bool:
        """The session has said so; one that was killed has not."""
        return bool(self.entries) and self.entries[-1].what == "ended"


def directory() -> Path:
    """Where sessions of this user on this computer keep their journals. Not made here."""
    return places.state_directory() / "decisions"


def read_all(folder: Path) -> list[Story]:
    """All journals in a folder, the latest session last. What cannot be read is left out."""
    found = [story for path in folder.glob("*.log") if (story := read(path)) is not None]
    return sorted(found, key=lambda story: story.header.began)


def read(path: Path) -> Story | None:
    """The journal in a file; None when it holds none. A last line that is cut off is left out."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return None
    header: Header | None = None
    entries: list[Entry] = []
    for line in lines:
        try:
            if header is None:
                header = msgspec.json.decode(line, type=Header)
            else:
                entries.append(msgspec.json.decode(line, type=Entry))
        except msgspec.MsgspecError:
            continue
    return None if header is None else Story(header, entries)


def _plain(entry: Entry) -> tuple[str, str]:
    return entry.what, entry.why.translate(_WITHOUT_DIGITS)
