"""Checks who does what, in which order, and what is left out."""

from __future__ import annotations

import math

from benchmarks.plan import (
    CONTENDERS,
    CREW,
    FLOOR,
    GROUPS,
    POOL,
    QUICK,
    Group,
    Work,
    narrowed,
    seconds_allowed,
    still_to_do,
    too_slow,
    turn,
)

SMALL, LARGE = Work("bulk", 1_000), Work("bulk", 10_000)


def test_each_round_begins_with_another_contender_and_has_all() -> None:
    turns = [turn(CONTENDERS, index) for index in range(len(CONTENDERS))]
    assert all(sorted(t, key=str) == sorted(CONTENDERS, key=str) for t in turns)
    assert len({tuple(t) for t in turns}) == len(CONTENDERS)


def test_neighbours_are_sometimes_before_and_sometimes_after_each_other() -> None:
    before = [
        (names := [one.name for one in turn(CONTENDERS, index)]).index(CREW) < names.index(POOL)
        for index in range(4)
    ]
    assert True in before
    assert False in before


def test_the_floor_does_only_what_names_it() -> None:
    done = {work.name for group in GROUPS for work in still_to_do(group, FLOOR, ())}
    assert done == {"busy", "cold", "echo"}


def test_a_million_tasks_are_for_crew_alone() -> None:
    million = Work("bulk", 1_000_000)
    doing = [
        one.name
        for one in CONTENDERS
        for group in GROUPS
        if any(work.key == million.key for work in still_to_do(group, one.name, ()))
    ]
    assert doing == [CREW]


def test_what_was_given_up_is_not_tried_again() -> None:
    group = Group("tasks", (SMALL, LARGE))
    assert still_to_do(group, POOL, {LARGE.key}) == [SMALL]


def test_a_size_is_left_out_when_the_smaller_one_says_that_it_takes_too_long() -> None:
    assert "20 s" in too_slow(LARGE, [(SMALL, 3.0)], budget=20.0)
    assert too_slow(LARGE, [(SMALL, 1.0)], budget=20.0) == ""


def test_the_largest_size_done_is_what_counts() -> None:
    tiny = Work("bulk", 10)
    assert too_slow(LARGE, [(tiny, 1.0), (SMALL, 1.0)], budget=20.0) == ""


def test_what_is_shared_is_judged_by_how_it_grows() -> None:
    sizes = [Work("shared", size) for size in (1, 10, 100)]
    flat, steep = [1.4, 1.5], [1.1, 11.0]
    assert too_slow(sizes[1], [(sizes[0], flat[0])], budget=10.0) == ""
    assert too_slow(sizes[2], list(zip(sizes, flat, strict=False)), budget=10.0) == ""
    assert too_slow(sizes[2], list(zip(sizes, steep, strict=False)), budget=20.0) != ""


def test_other_works_and_works_without_a_size_say_nothing() -> None:
    assert too_slow(LARGE, [(Work("submit", 1_000), 100.0)], budget=1.0) == ""
    assert too_slow(Work("idle"), [(Work("idle"), 100.0)], budget=1.0) == ""


def test_a_larger_size_is_left_out_after_a_failure() -> None:
    assert "failed" in too_slow(LARGE, [(SMALL, math.inf)], budget=1.0)


def test_narrowed_keeps_groups_that_have_something_left() -> None:
    assert [group.name for group in narrowed(GROUPS, {"idle"})] == ["idle"]


def test_the_gate_looks_at_works_that_there_are() -> None:
    assert set(QUICK) <= {work.key for group in GROUPS for work in group.works}


def test_every_sitting_is_bounded() -> None:
    longest = max(seconds_allowed(group, len(group.works), budget=10.0) for group in GROUPS)
    assert longest < 600
