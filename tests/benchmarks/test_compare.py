"""Checks what the gate lets pass."""

from __future__ import annotations

import pytest

from benchmarks.compare import Verdict, comparison, confirmed, verdicts
from benchmarks.figures import Contest

QUIET, BUSY = 1.0, 5.0  # seconds that bare processes took for a second of work on each core


def contest(
    crew: float | None, pool: float = 1.0, figure: str = "cold/1", load: float = QUIET
) -> Contest:
    made = Contest()
    made.add("floor", "busy/400", 0, load)
    made.add("pool", figure, 0, pool)
    if crew is not None:
        made.add("crew", figure, 0, crew)
    return made


@pytest.mark.parametrize(("now", "worse"), [(0.5, False), (1.0, False), (1.3, False), (1.4, True)])
def test_worse_by_more_than_a_third_is_worse(now: float, worse: bool) -> None:
    (verdict,) = verdicts(contest(now), contest(1.0), ["cold/1"])
    assert verdict.worse is worse


def test_a_slow_machine_is_no_loss() -> None:
    (verdict,) = verdicts(contest(30.0, pool=30.0), contest(1.0), ["cold/1"])
    assert not verdict.worse


def test_times_are_not_judged_on_a_busy_machine() -> None:
    (verdict,) = verdicts(contest(9.0, load=BUSY), contest(1.0), ["cold/1"])
    assert not verdict.worse


def test_processor_time_is_judged_on_a_busy_machine() -> None:
    figure = "cold/1/processor"
    now, before = contest(9.0, figure=figure, load=BUSY), contest(1.0, figure=figure)
    (verdict,) = verdicts(now, before, ["cold/1"])
    assert verdict.worse


def test_what_crew_cannot_do_any_more_is_worse() -> None:
    now = contest(None)
    now.note("crew", "cold/1", "ended with exit code 1")
    (verdict,) = verdicts(now, contest(1.0), ["cold/1"])
    assert verdict.worse


def test_what_there_was_no_time_for_is_no_loss() -> None:
    (verdict,) = verdicts(contest(None), contest(1.0), ["cold/1"])
    assert not verdict.worse


def test_figures_that_were_not_committed_or_not_asked_for_are_left_out() -> None:
    assert verdicts(contest(9.0), Contest(), ["cold/1"]) == []
    assert verdicts(contest(9.0), contest(1.0), ["idle"]) == []


def test_the_slowest_hundredth_does_not_count() -> None:
    tail = "round_trip/p99"
    assert verdicts(contest(9.0, figure=tail), contest(1.0, figure=tail), ["round_trip"]) == []


def test_a_loss_must_show_both_times() -> None:
    slow, fine = Verdict("cold/1", 1.0, 2.0), Verdict("cold/1", 1.0, 1.1)
    assert confirmed([slow], [fine]) == []
    assert confirmed([slow], []) == []
    assert confirmed([fine], [slow]) == []
    assert confirmed([slow], [slow]) == [slow]


def test_the_comparison_marks_what_is_worse() -> None:
    now = contest(2.0)
    text = comparison(verdicts(now, contest(1.0), ["cold/1"]), now)
    assert "WORSE" in text
    assert "2.00x" in text
