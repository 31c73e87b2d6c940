"""Deaths that are not judged yet, as the platform may know more than a broken connection. Pure."""

from __future__ import annotations

from crew_core._wire import messages


class Inquests:
    """Attempts at tasks that have ended, and wait for the word of the platform.

    Args:
        seconds: how long to wait; zero: nobody can be asked.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._open: dict[str, tuple[float, int, messages.OutcomeDetail]] = {}  # the oldest first

    def open(self, instance: str, task_id: int, death: messages.OutcomeDetail, now: float) -> bool:
        """Let a death wait. False when it is to be judged by what is known."""
        if self._seconds <= 0 or instance in self._open:
            return False
        self._open[instance] = (now + self._seconds, task_id, death)
        return True

    def close(self, instance: str) -> tuple[int, messages.OutcomeDetail] | None:
        """The task that this worker ran, and what is known of its death; None: nothing waits."""
        found = self._open.pop(instance, None)
        return None if found is None else found[1:]

    def of_task(self, task_id: int) -> str | None:
        """The worker that took this task with it, if that is yet to be judged."""
        return next((i for i, (_, task, _) in self._open.items() if task == task_id), None)

    def overdue(self, now: float) -> list[str]:
        """Workers of whom nothing was heard in time."""
        return [instance for instance, (until, _, _) in self._open.items() if until <= now]

    def next_time(self) -> float:
        """When ``overdue`` has something to say at the earliest."""
        return next((until for until, _, _ in self._open.values()), float("inf"))
