"""Checks that figures, works and plan name the same things, and how values are written."""

from __future__ import annotations

import pytest

from benchmarks.catalog import FIGURES, shown, time_shown
from benchmarks.plan import GROUPS
from benchmarks.works import WORKS

PLANNED = {work.key for group in GROUPS for work in group.works}
BY_THE_SITTING_ITSELF = {"life"}
# Whose figures are in no table, as its script says them.
SCRIPTS = {"swarm"}


def test_every_figure_comes_from_a_planned_work() -> None:
    assert {figure.work for figure in FIGURES.values()} == PLANNED - SCRIPTS


def test_every_work_of_a_sitting_has_its_function() -> None:
    sittings = [group for group in GROUPS if group.kind == "sitting"]
    names = {work.name for group in sittings for work in group.works}
    assert names == set(WORKS) | BY_THE_SITTING_ITSELF


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("bulk/10000", 1.0, "10,000/s"),
        ("bulk/10000", 0.0732, "137,000/s"),
        ("submit/1000", 4.0, "250/s"),
        ("busy/2000", 5.0, "100.0 %"),
        ("busy/2000", 10.0, "50.0 %"),
        ("queued/client", 1234.5, "1,230 B"),
        ("idle", 0.0042, "0.42 %"),
        ("cold/1", 0.3456, "346 ms"),
    ],
)
def test_shown(name: str, value: float, text: str) -> None:
    assert shown(FIGURES[name], value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.0, "2 s"), (0.25, "250 ms"), (0.00021, "210 µs"), (75.0, "75 s")]
)
def test_time_shown(seconds: float, text: str) -> None:
    assert time_shown(seconds) == text
