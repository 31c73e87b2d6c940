"""The journal of an embedded store: every change, on disk before it is answered."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from crew_rush._model.errors import StoreError
from crew_rush._store.embedded.messages import PROTOCOL

_SCHEMA = "CREATE TABLE IF NOT EXISTS changes (number INTEGER PRIMARY KEY, at REAL, change BLOB)"


class Journal:
    """Changes in a file of SQLite's, in the order in which they were made.

    What was added is there for the next process, whatever becomes of this one.

    Raises:
        StoreError: the file cannot be used, or was written by another version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            # From whichever thread answers; one at a time does.
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute(_SCHEMA)
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, PROTOCOL):
                raise StoreError(
                    f"{path} was written by another version of crew-rush (its format is {version}, "
                    f"ours {PROTOCOL}): use that version, or another folder"
                )
            self._database.execute(f"PRAGMA user_version={PROTOCOL}")
        except sqlite3.Error as error:
            raise StoreError(f"cannot use {path} as a store: {error}") from error

    def read(self) -> Iterator[tuple[float, bytes]]:
        """All changes with their times, the oldest first."""
        yield from self._database.execute("SELECT at, change FROM changes ORDER BY number")

    def add(self, changes: Sequence[tuple[float, bytes]]) -> None:
        """Write changes, all or none.

        Raises:
            StoreError: they could not be written, as when the disk is full.
        """
        try:
            self._database.execute("BEGIN")
            self._database.executemany("INSERT INTO changes (at, change) VALUES (?, ?)", changes)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(f"cannot write to {self._path}: {error}") from error

    def replace(self, changes: Iterable[tuple[float, bytes]]) -> None:
        """Write these in place of all that are there: all or none, and the file is smaller then.

        Raises:
            StoreError: they could not be written, and all is as it was.
        """
        try:
            self._database.execute("BEGIN")
            self._database.execute("DELETE FROM changes")
            self._database.executemany("INSERT INTO changes (at, change) VALUES (?, ?)", changes)
            self._database.execute("COMMIT")
            self._database.execute("VACUUM")
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise StoreError(f"cannot make {self._path} smaller: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._database.close()
