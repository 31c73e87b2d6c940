"""Checks what the page says."""

from __future__ import annotations

from benchmarks.figures import Contest
from benchmarks.report import page, table
from benchmarks.targets import TARGETS


def contest() -> Contest:
    made = Contest(about={"machine": "2 cores"}, versions={"crew": "0.1.0", "pool": "3.11.7"})
    for index, (crew, pool) in enumerate([(0.1, 2.0), (0.2, 4.0), (0.3, 6.0)]):
        made.add("crew", "bulk/10000", index, crew)
        made.add("pool", "bulk/10000", index, pool)
    for slow in ("ray", "dask"):
        made.note(slow, "bulk/10000", "would take longer than the 10 s that are allowed")
    return made


def line_of(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(start))


def test_a_cell_has_median_spread_and_times_the_pool() -> None:
    assert "50,000/s ±50 % (20x)" in line_of(page(contest()), "| crew")


def test_the_pool_is_not_compared_with_itself() -> None:
    assert "x)" not in line_of(page(contest()), "| ProcessPoolExecutor")


def test_who_has_no_figure_has_a_dash_and_a_reason() -> None:
    text = page(contest())
    assert "-" in line_of(text, "| dask.distributed")
    assert "- Ray, dask.distributed (10k): would take longer than the 10 s that are allowed" in text


def test_sections_without_a_figure_are_left_out() -> None:
    text = page(contest())
    assert "## Many small tasks, by the bulk call" in text
    assert "## Starting" not in text


def test_targets_are_judged() -> None:
    text = page(contest())
    assert line_of(text, "| `map`, 10k no-ops").split()[-5:] == ["20.00", "times", "|", "yes", "|"]
    assert "not measured" in line_of(text, "| idle")


def test_targets_know_which_way_is_good() -> None:
    by_title = {target.title: target for target in TARGETS}
    map_target = by_title["`map`, 10k no-ops: at least 15 times the pool's"]
    assert map_target.met(15)
    assert not map_target.met(14.9)
    trip = by_title["round trip, p50: below the pool's"]
    assert trip.met(0.9)
    assert not trip.met(1.1)


def test_figures_of_other_scripts_are_shown() -> None:
    made = contest()
    made.add("crew", "swarm/ratio", 0, 0.75)
    text = page(made)
    assert "swarm/ratio" in line_of(text, "| swarm")
    assert line_of(text, "| 5,000 connections").split()[-2:] == ["yes", "|"]


def test_a_table_is_in_line() -> None:
    lines = table(["a", "long head"], [["value", "x"]]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert table(["|"], []).startswith("| \\|")
