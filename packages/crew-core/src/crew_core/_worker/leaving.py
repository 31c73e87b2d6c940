"""When a worker leaves: idle for too long, too old, enough tasks done. Pure."""

from __future__ import annotations

from crew_core._wire import messages
from crew_core._worker.lifetime import Lifetime


class Leaving:
    """Watches the limits of one worker.

    The timers for idleness and age start at once, or after ``tasks_timers`` tasks.

    Args:
        settings: the limits.
        now: when the worker came online.
        lifetime: of its job.
    """

    def __init__(self, settings: messages.WorkerSettings, now: float, lifetime: Lifetime) -> None:
        self._settings = settings
        self._lifetime = lifetime
        self._done = 0
        self._idle_since: float | None = now
        self._wall_from: float | None = now if settings.tasks_timers <= 0 else None

    def note_done(self, tasks: int, now: float) -> None:
        """So many tasks ended."""
        self._done += tasks
        if self._wall_from is None and self._done >= self._settings.tasks_timers:
            self._wall_from = now

    def note_idle(self, idle: bool, now: float) -> None:
        """Whether the worker holds a task."""
        if not idle:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now

    def must(self, now: float) -> str | None:
        """Why the worker has to leave whatever waits, or None."""
        if self._done >= self._settings.tasks_max:
            return "tasks_max"
        return "wall_time" if now >= self._wall_at() else None

    def may(self, now: float) -> str | None:
        """Why the worker would leave if nothing waits, or None."""
        due = self._idle_due()
        return "idle" if due is not None and now >= due else None

    def next_time(self) -> float:
        """When one of the answers changes by itself; infinity for never."""
        wall = self._wall_at()
        due = self._idle_due()
        return wall if due is None or wall < due else due

    def _wall_at(self) -> float:
        own = self._lifetime.leave_at
        if self._wall_from is None:
            return own
        wall = self._wall_from + self._settings.seconds_wall
        return own if own < wall else wall

    def _idle_due(self) -> float | None:
        if self._idle_since is None or self._wall_from is None:
            return None
        # The timer starts where both the idleness and the timers' own start have been reached.
        return max(self._idle_since, self._wall_from) + self._settings.seconds_idle
