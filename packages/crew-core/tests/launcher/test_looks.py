"""When a launcher looks at its platform again; the test says what time it is."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from crew_core.plugins import Looks, Pace

PACE = Pace(first=2.0, most=30.0, growth=2.0)


def due_times(looks: Looks, now: float, until: float, *, changed: bool = False) -> list[float]:
    """When looks are due, to a tenth of a second; each is done at once."""
    found = []
    for tenths in range(int(now * 10), int(until * 10)):
        if looks.is_due(tenths / 10):
            found.append(tenths / 10)
            looks.done(tenths / 10, changed=changed)
    return found


def launched(pace: Pace = PACE) -> Looks:
    looks = Looks(pace)
    looks.launched(0.0)
    return looks


def test_nobody_looks_where_nothing_was_launched() -> None:
    assert due_times(Looks(PACE), 0.0, 100.0) == []


def test_looks_come_ever_later_while_nothing_changes() -> None:
    assert due_times(launched(), 0.0, 120.0) == [2.0, 4.0, 8.0, 16.0, 32.0, 62.0, 92.0]


def test_they_come_often_again_after_a_change() -> None:
    looks = launched()
    due_times(looks, 0.0, 63.0)
    looks.done(63.0, changed=True)
    assert due_times(looks, 63.1, 72.0) == [65.0, 69.0]


def test_a_launch_is_looked_at_soon_though_the_next_look_was_far() -> None:
    looks = launched()
    due_times(looks, 0.0, 63.0)
    looks.launched(63.0)
    assert due_times(looks, 63.0, 70.0) == [65.0, 67.0]


def test_who_asks_again_is_served_at_once_but_not_right_after_a_look() -> None:
    looks = launched()
    due_times(looks, 0.0, 62.5)  # the last was at 62, the next is due at 92
    looks.wanted(63.0)
    assert not looks.is_due(63.9)
    assert looks.is_due(64.0)
    looks.done(64.0, changed=False)
    looks.wanted(80.0)
    assert looks.is_due(80.0)


def test_a_pace_can_be_held_to_a_users_limit() -> None:
    assert PACE.up_to(5.0) == Pace(first=2.0, most=5.0, growth=2.0)
    assert PACE.up_to(1.0) == Pace(first=1.0, most=1.0, growth=2.0)
    assert due_times(launched(PACE.up_to(5.0)), 0.0, 20.0) == [2.0, 4.0, 8.0, 13.0, 18.0]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 20.0), st.booleans())))
def test_no_two_looks_are_further_apart_than_the_most(steps: list[tuple[float, bool]]) -> None:
    looks, now = launched(), 0.0
    for pause, changed in steps:
        now += pause
        if looks.is_due(now):
            looks.done(now, changed=changed)
        assert looks.is_due(now + PACE.most)
