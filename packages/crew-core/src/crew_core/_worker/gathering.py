"""Outcomes on their way to the dispatcher: they gather for a moment while more tasks run. Pure."""

from __future__ import annotations

from crew_core._wire import messages

FLUSH_SECONDS = 0.05
"""Outcomes gather for at most this long while more tasks run: until half of the tasks are done."""


class Gathering:
    """Outcomes that are not told yet."""

    def __init__(self) -> None:
        self._outcomes: list[messages.Outcome | messages.TaskDone] = []
        self._since = 0.0

    def take(
        self, ended: list[messages.Outcome | messages.TaskDone], ahead: int, now: float
    ) -> messages.Outcomes | None:
        """All that is to be told now; None: nothing.

        Args:
            ended: outcomes that are new.
            ahead: tasks that are yet to end.
            now: monotonic seconds.
        """
        if not self._outcomes:
            self._since = now
        self._outcomes += ended
        late = now >= self._since + FLUSH_SECONDS
        if not self._outcomes or not (late or len(self._outcomes) >= ahead):
            return None
        outcomes, self._outcomes = self._outcomes, []
        return _in_columns(outcomes)

    def next_time(self) -> float:
        """When ``take`` is to be called at the latest; infinity: nothing gathers."""
        return self._since + FLUSH_SECONDS if self._outcomes else float("inf")


def _in_columns(outcomes: list[messages.Outcome | messages.TaskDone]) -> messages.Outcomes:
    return messages.Outcomes(
        [outcome.id for outcome in outcomes],
        [outcome.status for outcome in outcomes],
        [outcome.seconds for outcome in outcomes],
        [outcome.detail for outcome in outcomes],
        {outcome.id: outcome.segments for outcome in outcomes if outcome.segments},
    )
