"""Checks what the gate lets pass."""

from __future__ import annotations

import pytest

from benchmarks.compare import Verdict, comparison, settled, verdicts
from benchmarks.figures import Contest


def contest(crew: float | None, pool: float = 1.0, figure: str = "cold/1") -> Contest:
    made = Contest()
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


def test_a_figure_that_crew_does_not_give_any_more_is_worse() -> None:
    (verdict,) = verdicts(contest(None), contest(1.0), ["cold/1"])
    assert verdict.worse


def test_figures_that_were_not_committed_or_not_asked_for_are_left_out() -> None:
    assert verdicts(contest(9.0), Contest(), ["cold/1"]) == []
    assert verdicts(contest(9.0), contest(1.0), ["idle"]) == []


def test_the_slowest_hundredth_does_not_count() -> None:
    tail = "round_trip/p99"
    assert verdicts(contest(9.0, figure=tail), contest(1.0, figure=tail), ["round_trip"]) == []


def test_a_loss_must_show_both_times() -> None:
    slow, fine = Verdict("cold/1", 1.0, 2.0), Verdict("cold/1", 1.0, 1.1)
    assert settled([slow], [fine]) == [fine]
    assert settled([slow], [slow]) == [slow]
    assert settled([fine], []) == [fine]


def test_what_is_there_again_is_better_than_what_is_gone() -> None:
    gone, fine = Verdict("cold/1", 1.0, None), Verdict("cold/1", 1.0, 1.0)
    assert settled([gone], [fine]) == [fine]


def test_the_comparison_marks_what_is_worse() -> None:
    now = contest(2.0)
    text = comparison(verdicts(now, contest(1.0), ["cold/1"]), now)
    assert "WORSE" in text
    assert "2.00x" in text
