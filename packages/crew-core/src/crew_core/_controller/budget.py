"""A budget in worker-hours: when it is used up, and what is said then."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable

from crew_core._model.errors import LaunchError

log = logging.getLogger("crew")

_HOUR = 3600.0


class Budget:
    """Compares what workers have used with what they may use. Safe to use from any thread.

    Args:
        controller: the controller's name.
        hours: what all workers together may use; infinity: as much as they like.
        used: seconds that they have used so far.
        working: how many use more at this moment.
        employ: has workers given tasks, or leave once what they run has ended. Must not wait.
        on_trouble: called when it is used up, so that those who wait look again.

    Attributes:
        hours: as above. To change it, see ``change``.
        error: why nothing is launched any more; None while there is something left.
    """

    def __init__(
        self,
        controller: str,
        hours: float,
        used: Callable[[], float],
        working: Callable[[], int],
        employ: Callable[[bool], None],
        on_trouble: Callable[[], None],
    ) -> None:
        self._controller = controller
        self._used = used
        self._working = working
        self._employ = employ
        self._on_trouble = on_trouble
        self._lock = threading.Lock()  # workers hear of each change, and in order
        self.hours = hours
        self.error: LaunchError | None = None

    @property
    def hours_used(self) -> float:
        """Worker-hours so far."""
        return self._used() / _HOUR

    def look(self) -> bool:
        """See whether it is used up. True when that is news."""
        with self._lock:
            if self.error is not None or self.hours == math.inf:
                return False
            used = self.hours_used
            if used < self.hours:
                return False
            self.error = self._make_error(used)
            self._employ(False)
        log.warning("%s", self.error)
        self._on_trouble()
        return True

    def change(self, hours: float) -> bool:
        """Allow more, or less. True when there is something left again."""
        with self._lock:
            self.hours = hours
            if self.error is None or self.hours_used >= hours:
                return False
            self.error = None
            self._employ(True)
            return True

    def seconds_left(self) -> float:
        """How long it lasts if as many workers go on as there are now."""
        working = self._working()
        if self.error is not None or self.hours == math.inf or not working:
            return math.inf
        return max(0.0, self.hours * _HOUR - self._used()) / working

    def _make_error(self, used: float) -> LaunchError:
        return LaunchError(
            f"the workers of controller {self._controller!r} have used their budget: {used:.3g} "
            f"worker-hours of budget_hours={self.hours:g}. Nothing more is launched, running tasks "
            "are let end, and workers leave. Tasks stay queued: set controller.budget_hours to "
            "more to go on, or terminate the controller."
        )
