"""The CSV that ``log_resources`` asks for, written by a thread while the controller works."""

from __future__ import annotations

import csv
import logging
import os
import threading
from pathlib import Path
from typing import IO

from crew_core._client.resources import COLUMNS, measure
from crew_core._model.errors import ConfigError

SECONDS = 1.0
"""How often rows are written."""

log = logging.getLogger("crew")


class ResourceLog:
    """Appends a row per process of a controller and second to a file."""

    def __init__(self, path: Path, dispatcher_pid: int) -> None:
        self._path = path
        self._dispatcher_pid = dispatcher_pid
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="crew-resources", daemon=True)

    @classmethod
    def start(cls, path: str | Path, dispatcher_pid: int) -> ResourceLog:
        """Begin to write.

        Raises:
            ConfigError: the file cannot be written.
        """
        found = cls(Path(path).absolute(), dispatcher_pid)
        found._begin()
        found._thread.start()
        return found

    def stop(self) -> None:
        """Write no more."""
        self._stopped.set()
        self._thread.join(timeout=10.0)

    def _begin(self) -> None:
        try:
            fresh = not self._path.exists() or self._path.stat().st_size == 0
            with self._open() as file:
                if fresh:
                    csv.writer(file).writerow(COLUMNS)
        except OSError as error:
            raise ConfigError(f"log_resources={self._path}: cannot write it: {error}") from error

    def _run(self) -> None:
        while True:
            try:
                self._write()
            except OSError as error:
                log.warning("log_resources=%s: %s; no more is written", self._path, error)
                return
            if self._stopped.wait(SECONDS):
                return

    def _write(self) -> None:
        with self._open() as file:
            csv.DictWriter(file, COLUMNS).writerows(measure(self._dispatcher_pid))

    def _open(self) -> IO[str]:
        # As all files of ours it is the user's alone, if it was not there before.
        return open(self._path, "a", newline="", opener=lambda path, how: os.open(path, how, 0o600))
