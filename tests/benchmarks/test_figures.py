"""Checks medians, spreads and ratios, and that figures survive a file."""

from __future__ import annotations

import pytest

from benchmarks.figures import Contest


def contest(**rows: list[float | None]) -> Contest:
    made = Contest()
    for contender, row in rows.items():
        for index, value in enumerate(row):
            if value is not None:
                made.add(contender, "cold/1", index, value)
    return made


def test_a_median_passes_over_rounds_without_a_value() -> None:
    assert contest(crew=[5.0, None, 1.0, 3.0]).median("crew", "cold/1") == 3.0


def test_no_value_has_no_median_spread_or_ratio() -> None:
    empty = Contest()
    assert empty.median("crew", "cold/1") is None
    assert empty.spread("crew", "cold/1") is None
    assert empty.ratio("crew", "pool", "cold/1") is None


def test_a_spread_is_half_the_range_as_a_part_of_the_median() -> None:
    assert contest(crew=[8.0, 10.0, 12.0]).spread("crew", "cold/1") == pytest.approx(0.2)
    assert contest(crew=[8.0]).spread("crew", "cold/1") is None


def test_a_ratio_compares_within_rounds() -> None:
    # The machine was ten times slower in the second round, for both.
    made = contest(crew=[1.0, 10.0, 1.2], pool=[2.0, 20.0, 2.0])
    assert made.ratio("crew", "pool", "cold/1") == pytest.approx(0.5)


def test_a_ratio_leaves_out_rounds_that_only_one_has() -> None:
    made = contest(crew=[1.0, None, 4.0], pool=[2.0, 2.0, 4.0, 9.0])
    assert made.ratio("crew", "pool", "cold/1") == pytest.approx(0.75)


def test_figures_survive_a_file() -> None:
    made = contest(crew=[0.5, None, 0.25], pool=[1.0])
    made.about = {"Python": "3.11.7", "rounds": 3}
    made.versions = {"crew": "0.1.0"}
    made.note("ray", "echo/1000", "took [all] of the machine's memory")
    assert Contest.from_json(made.to_json()) == Contest(
        made.about,
        made.versions,
        {**made.values, "ray": {}},
        {"crew": {}, "pool": {}, **made.notes},
    )


def test_a_file_has_the_rounds_of_a_figure_on_one_line() -> None:
    assert '"cold/1": [0.5, null, 0.25]' in contest(crew=[0.5, None, 0.25]).to_json()


def test_the_first_reason_counts() -> None:
    made = Contest()
    made.note("ray", "idle", "first")
    made.note("ray", "idle", "second")
    assert made.notes == {"ray": {"idle": "first"}}


def test_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="measure again"):
        Contest.from_json('{"format": 0}')
