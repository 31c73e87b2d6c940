"""Which step of a ladder is launched, and for how many tasks there is a worker that will do."""

from __future__ import annotations

import math

import pytest

from crew_core._controller.escalation import Escalation, Match
from crew_core._model.steps import step_after, step_for

LIVES = (math.inf,) * 3


def test_a_death_moves_one_step_above_the_worker_that_died() -> None:
    ladder = Escalation(LIVES)
    ladder.note_death(0, "out_of_memory")
    assert ladder.step == 1
    ladder.note_death(0, "signal 9")  # another small one, at the same time
    assert ladder.step == 1
    ladder.note_death(1, "crash")
    ladder.note_death(2, "wall_time")
    assert ladder.step == 2


@pytest.mark.parametrize("cause", ["preempted", "node_lost", "job_ended", "terminated"])
def test_what_others_did_moves_nothing(cause: str) -> None:
    ladder = Escalation(LIVES)
    ladder.note_death(0, cause)
    assert ladder.step == 0


def test_success_moves_back_to_the_first_unless_it_was_a_smaller_workers() -> None:
    ladder = Escalation(LIVES)
    ladder.note_death(0, "crash")
    ladder.note_done(0)
    assert ladder.step == 1
    ladder.note_done(1)
    assert ladder.step == 0


def test_without_a_ladder_there_is_one_step() -> None:
    ladder = Escalation((math.inf,))
    ladder.note_death(0, "crash")
    ladder.note_need(1, 0)
    assert (ladder.any, ladder.step, ladder.any_needs, ladder.steps(5)) == (
        False,
        0,
        False,
        [(0, 5)],
    )


def test_launches_are_divided_by_what_tasks_need() -> None:
    ladder = Escalation(LIVES)
    assert ladder.steps(4, (2, 1)) == [(2, 1), (1, 1), (0, 2)]
    assert ladder.steps(1, (2, 1)) == [(2, 1)]
    ladder.note_death(0, "crash")
    assert ladder.steps(4, (2, 1)) == [(2, 1), (1, 3)]


def test_idle_workers_that_are_too_small_are_no_supply() -> None:
    ladder = Escalation(LIVES)
    ladder.note_need(7, 1)
    assert ladder.match(1, [0, 0, 0], []) == Match((1,), 3, ())
    assert ladder.match(1, [0, 0, 0], [("a", 1)]) == Match((), 0, ())
    assert ladder.match(1, [0, 2], [("a", 0)]) == Match((), 0, ("a",))
    ladder.note_ended([7])
    assert ladder.match(1, [0, 0, 0], []) == Match((), 0, ())


def test_small_tasks_use_large_workers_that_nobody_else_needs() -> None:
    ladder = Escalation(LIVES)
    ladder.note_need(1, 2)
    match = ladder.match(4, [2, 2, 0], [("old", 0), ("young", 0)])
    assert match == Match((), 0, ("young",))


def test_tasks_that_expect_to_take_long_need_a_step_that_lives_long() -> None:
    ladder = Escalation((60.0, 600.0))
    ladder.note_expected(range(3), 30.0)
    assert not ladder.any_needs
    ladder.note_expected(range(3, 5), 300.0)
    assert ladder.match(5, [0, 0, 0], []).wanting == (1, 1)


def test_steps_by_life() -> None:
    lives = (60.0, 600.0, 600.0)
    assert [step_for(seconds, lives) for seconds in (60, 61, 600, 6000)] == [0, 1, 1, 2]
    assert [step_after("wall_time", step, lives) for step in range(3)] == [1, 1, 2]
    assert [step_after("out_of_memory", step, lives) for step in range(3)] == [1, 2, 2]
    assert step_after("signal 9", 0, lives) == 0
