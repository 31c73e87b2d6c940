"""Launches that failed: which of them are tried again, and when launching stops with an error."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from crew_core._controller.journal import Note, keep_quiet
from crew_core._model.errors import LaunchError

log = logging.getLogger("crew")

_KEPT = 100


class LaunchFailures:
    """Counts failed and futile launches in a row. Safe to use from any thread.

    Args:
        launch_max: how many in a row stop launching; one that is not transient does at once.
        on_trouble: called when ``error`` appears, so that those who wait look again.
        clock: monotonic.
        draw: gives numbers from 0 to 1 at random.

    Attributes:
        error: why nothing is launched any more; None while launching goes on.
        in_a_row: how many failed since the last success.
        failed_at: when the last of them failed, on the monotonic clock.
        jitter: 0 to 1, drawn at each failure: controllers that failed together try again apart.
        note_down: told of each failure, and of what follows, before anybody can see it here. It
            must not ask us anything.
    """

    def __init__(
        self,
        launch_max: int,
        on_trouble: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] | None = None,
    ) -> None:
        self._launch_max = launch_max
        self._on_trouble = on_trouble
        self._clock = clock
        self._draw = _draw if draw is None else draw
        self._lock = threading.Lock()
        self._errors: list[LaunchError] = []
        self._counted: object = None
        self.error: LaunchError | None = None
        self.in_a_row = 0
        self.failed_at = 0.0
        self.jitter = 0.0
        self.note_down: Note = keep_quiet

    @property
    def errors(self) -> list[LaunchError]:
        """The latest errors, oldest first; at most 100."""
        with self._lock:
            return list(self._errors)

    def note(self, error: LaunchError, launch: object = None) -> None:
        """A launch failed, or brought nothing.

        Args:
            error: what is to be said.
            launch: what several parts of one launch have in common: they count once.
        """
        log.warning("%s", error)
        with self._lock:  # to the end: whoever forgets it forgets all of it
            self._keep(error)
            if launch is None or launch is not self._counted:
                self.in_a_row += 1
            self._counted = launch
            self.failed_at = self._clock()
            self.jitter = self._draw()
            stopped = not error.transient or self.in_a_row >= self._launch_max
            if stopped:
                final = self._final(error)
                self.note_down("stopped", str(final))
                self.error = final
        if stopped:
            self._on_trouble()

    def mention(self, error: LaunchError) -> None:
        """Tell the user of it, and no more: it is no failure."""
        log.warning("%s", error)
        with self._lock:
            self._keep(error)

    def forget(self) -> bool:
        """A new worker has done its first task, or the user says that the cause is mended.

        Returns:
            Whether there was something to forget, so that launching may go on.
        """
        with self._lock:
            had_failed, had_stopped = self.in_a_row > 0, self.error is not None
            self._counted = None
            self.in_a_row = 0
            self.error = None
        if had_stopped:
            self.note_down("resumed", "launch failures were forgotten")
        return had_failed

    def _keep(self, error: LaunchError) -> None:
        self.note_down("refused", str(error))
        self._errors.append(error)
        del self._errors[:-_KEPT]

    def _final(self, error: LaunchError) -> LaunchError:
        if not error.transient:
            return error
        return LaunchError(
            f"{self.in_a_row} launches in a row were futile (launch_max={self._launch_max}), so "
            f"launching has stopped. The last one: {error}\n"
            "Mend the cause, then call controller.launcher.reset(). Tasks stay queued.",
            argv=error.argv,
            returncode=error.returncode,
            stderr=error.stderr,
            log_tail=error.log_tail,
        )


def _draw() -> float:
    import random  # many never need it

    return random.random()
