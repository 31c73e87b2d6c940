"""When a supervisor tells its dispatcher of outcomes."""

from __future__ import annotations

from crew_core._wire import messages
from crew_core._worker.gathering import FLUSH_SECONDS, Gathering

NOW = 100.0


def ended(*ids: int) -> list[messages.Outcome | messages.TaskDone]:
    return [messages.Outcome(i, 0, 0.001, b"") for i in ids]


def test_nothing_is_told_of_nothing() -> None:
    gathering = Gathering()
    assert gathering.take([], 0, NOW) is None
    assert gathering.next_time() == float("inf")


def test_outcomes_are_told_when_half_of_the_tasks_are_done() -> None:
    gathering = Gathering()
    assert gathering.take(ended(1), 3, NOW) is None
    assert gathering.next_time() == NOW + FLUSH_SECONDS
    told = gathering.take(ended(2), 2, NOW)
    assert told is not None
    assert told.ids == [1, 2]
    assert gathering.next_time() == float("inf")


def test_outcomes_do_not_gather_for_long() -> None:
    gathering = Gathering()
    assert gathering.take(ended(1), 50, NOW) is None
    assert gathering.take(ended(2), 49, NOW + FLUSH_SECONDS / 2) is None
    told = gathering.take([], 49, NOW + FLUSH_SECONDS)
    assert told is not None
    assert told.ids == [1, 2]
    assert gathering.take(ended(3), 48, NOW + FLUSH_SECONDS) is None, "it begins anew"
