"""What is said of a task that was stopped, in a worker as in the user's own process."""

from __future__ import annotations

from crew_core._model.states import Status
from crew_core._wire import codec, messages

CANCELLED = "cancelled"


def overdue_text(seconds_timeout: float) -> str:
    """The error of a task that ran for too long."""
    return f"ran longer than seconds_timeout={seconds_timeout:g}"


def stopped(outcome: messages.Outcome, status: Status, error: str) -> messages.Outcome:
    """The outcome of a task that we interrupted, from the one that it seems to have."""
    seen = messages.decode_detail(outcome.detail)
    detail = messages.OutcomeDetail(
        error=error,
        warnings=seen.warnings,
        pid=seen.pid,
        started_at=seen.started_at,
        rss_peak=seen.rss_peak,
    )
    return messages.Outcome(
        outcome.id, status, outcome.seconds, codec.encode(detail), outcome.segments
    )
