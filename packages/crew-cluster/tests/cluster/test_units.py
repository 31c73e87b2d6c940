"""Amounts are rounded up to what schedulers count in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew_cluster._cluster import units


@pytest.mark.parametrize(
    ("gibibytes", "expected"), [(4, 4096), (2.40123, 2459), (0.1, 103), (1e-9, 1), (3 * 0.1, 308)]
)
def test_memory_is_whole_mebibytes(gibibytes: float, expected: int) -> None:
    assert units.mebibytes(gibibytes) == expected


def test_memory_is_whole_kibibytes() -> None:
    assert units.kibibytes(0.5) == 512 * 1024


@pytest.mark.parametrize(("minutes", "expected"), [(1, 60), (0.5, 30), (1.001, 61), (1e-9, 1)])
def test_time_is_whole_seconds(minutes: float, expected: int) -> None:
    assert units.seconds(minutes) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "00:00:00"), (61, "00:01:01"), (43200, "12:00:00"), (360000, "100:00:00")],
)
def test_a_clock_has_as_many_hours_as_it_takes(seconds: int, expected: str) -> None:
    assert units.clock(seconds) == expected


@given(st.floats(1e-6, 1e6))
def test_nobody_gets_less_than_asked_for(amount: float) -> None:
    assert amount - 1e-5 <= units.up(amount) < amount + 1 or units.up(amount) == 1
