"""Counts launches that brought nothing, each with the end of what its worker wrote."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from crew_core._controller.launch_failures import LaunchFailures
from crew_core._controller.platform import Platform
from crew_core._controller.roster import Row
from crew_core._model.errors import LaunchError
from crew_core._wire import capped_log

_TAIL = 2000


class FutileLaunches:
    """Explains futile launches of one run of a controller.

    Args:
        controller: the controller's name.
        platform: may have kept what a worker wrote that left no log here.
        failures: where they are counted.
        kick: called when one has been counted, on any thread.
    """

    def __init__(
        self,
        controller: str,
        platform: Platform,
        failures: LaunchFailures,
        kick: Callable[[], None],
    ) -> None:
        self._controller = controller
        self._platform = platform
        self._failures = failures
        self._kick = kick
        self._asked: set[str] = set()  # whose logs are being fetched

    @property
    def being_explained(self) -> bool:
        """True while some are not counted yet, as the platform is asked for their logs."""
        return bool(self._asked)

    def note(self, row: Row, why: str, *, permanent: bool = False) -> None:
        """A launch brought nothing."""
        text = _read_log(row)
        if text or not row.has_handle:
            self._count(row, why, permanent, text)
        else:
            self._asked.add(row.instance)
            self._platform.logs(row, partial(self._count, row, why, permanent))

    def _count(self, row: Row, why: str, permanent: bool, text: str) -> None:
        tail = text[-_TAIL:].strip()
        message = (
            f"worker {row.worker} of controller {self._controller!r} (job {row.job}) {why}. "
            + (f"Its log {row.log} ends:\n{tail}" if tail else "It left no log.")
        )
        self._failures.note(LaunchError(message, transient=not permanent, log_tail=tail))
        self._asked.discard(row.instance)
        self._kick()


def _read_log(row: Row) -> str:
    """What the worker wrote; nothing when it left no log, or it cannot be read just now."""
    if row.log is None:
        return ""
    try:
        return capped_log.read_log(row.log)
    except OSError:  # what there is to tell about the launch matters more
        return ""
