"""Brings what a loop logs into the store, by a thread of its own."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Mapping

from crew_rush._model.errors import RushError
from crew_rush._model.facts import LogEvent
from crew_rush._model.names import token
from crew_rush._store.base import Store

_FLUSH_SECONDS = 0.5
_KEPT_MOST = 100_000


class StoreHandler(logging.Handler):
    """Keeps records for a moment and sends them together.

    Args:
        store: with a connection of its own: what sends may log, too.
        worker_id: whose records they are.
        thresholds: the least level for each logger; those below it in name follow it.
        buffer: how many are sent at once when they come quickly.
    """

    def __init__(
        self, store: Store, worker_id: str, thresholds: Mapping[str, int], buffer: int
    ) -> None:
        super().__init__()
        self._store = store
        self._worker_id = worker_id
        self._thresholds = thresholds
        self._buffer = buffer
        self._kept: list[LogEvent] = []
        self._wake = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._send, name="crew-rush-log", daemon=True)

    def begin(self) -> None:
        """Begin to take records of the loggers that were named."""
        for name, level in self._thresholds.items():
            logging.getLogger(name).setLevel(level)
        logging.getLogger().addHandler(self)
        self._thread.start()

    def filter(self, record: logging.LogRecord) -> bool:
        """Take what is of a named logger, or of one below it, and of its level."""
        level = _threshold(record.name, self._thresholds)
        return level is not None and record.levelno >= level

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        try:
            text = self.format(record)
        except Exception:  # noqa: BLE001 - a record of the user's may be wrong in any way
            self.handleError(record)
            return
        event = LogEvent(self._worker_id, record.created, record.levelno, record.name, text)
        if len(self._kept) < _KEPT_MOST:  # more while the store is away are lost
            self._kept.append(event)
        if len(self._kept) >= self._buffer:
            self._wake.set()

    def finish(self) -> None:
        """Send what is left, and no more afterwards."""
        logging.getLogger().removeHandler(self)
        self._over = True
        self._wake.set()
        self._thread.join()

    def _send(self) -> None:
        while not self._over:
            self._wake.wait(_FLUSH_SECONDS)
            self._wake.clear()
            self._send_kept()
        self._send_kept()  # what came while it sent

    def _send_kept(self) -> None:
        self.acquire()  # as who keeps a record has
        some, self._kept = self._kept, []
        self.release()
        if some:
            with contextlib.suppress(RushError):  # the loop itself is told of it
                self._store.add_log(token(), some)


def _threshold(name: str, thresholds: Mapping[str, int]) -> int | None:
    """The level of the nearest logger that was named."""
    while name not in thresholds:
        if not name or name == "root":
            return thresholds.get("root", thresholds.get(""))
        name = name.rpartition(".")[0]
    return thresholds[name]
