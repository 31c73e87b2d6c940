"""Draws the main figures: `python -m benchmarks.plot FIGURES.json PICTURE.svg`, with matplotlib."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

from benchmarks.catalog import FIGURES, shown
from benchmarks.figures import Contest
from benchmarks.plan import CONTENDERS, CREW, FLOOR

mpl.use("svg")

import matplotlib.pyplot as plt

_PANELS = (
    ("bulk/10000", "10,000 no-ops by the bulk call (more is better)"),
    ("submit/10000", "10,000 no-ops one by one (more is better)"),
    ("round_trip/p50", "round trip of one no-op, p50 (less is better)"),
    ("cold/1", "cold start to the first result (less is better)"),
    ("echo/100", "100 MB array out and back (less is better)"),
    ("shared/100", "100 MB array shared by 1,000 tasks (less is better)"),
)
_OURS, _THEIRS, _LEAST = "#c2410c", "#64748b", "#cbd5e1"


def draw(contest: Contest, path: Path) -> None:
    """Write the picture: a panel for each of the main figures, a bar for each contender."""
    # Text stays text, and nothing in the file depends on when or where it was written.
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "crew", "font.size": 9})
    picture, panels = plt.subplots(3, 2, figsize=(11, 9), layout="constrained")
    for axes, (name, title) in zip(panels.flat, _PANELS, strict=True):
        _panel(axes, contest, name, title)
    picture.suptitle("crew beside its peers, two workers each; logarithmic scales")
    picture.savefig(path, metadata={"Date": None})


def _panel(axes: Any, contest: Contest, name: str, title: str) -> None:
    figure = FIGURES[name]
    found = [
        (contender, value)
        for contender in reversed(CONTENDERS)
        if (value := contest.median(contender.name, name)) is not None
    ]
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axes.set_axis_off()
    if not found:
        axes.text(0.0, 0.5, "not measured")
        return
    sizes = [figure.size / value if figure.kind == "rate" else value for _, value in found]
    least = min(sizes) / 2
    axes.set_axis_on()
    axes.set_xscale("log")
    axes.set_xlim(least, max(sizes) * 4)
    axes.barh(
        [contender.title for contender, _ in found],
        [size - least for size in sizes],
        left=least,
        color=[_colour(contender.name) for contender, _ in found],
    )
    for row, ((_, value), size) in enumerate(zip(found, sizes, strict=True)):
        axes.text(size * 1.1, row, shown(figure, value), va="center", fontsize=8)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(bottom=False, labelbottom=False, which="both", left=False)


def _colour(contender: str) -> str:
    return {CREW: _OURS, FLOOR: _LEAST}.get(contender, _THEIRS)


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    draw(Contest.from_json(source.read_text(encoding="utf-8")), target)
