"""What was measured, as a page of Markdown. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.catalog import FIGURES, SECTIONS, Figure, Section, shown
from benchmarks.figures import Contest
from benchmarks.plan import CONTENDERS, CREW, FLOOR, POOL
from benchmarks.targets import TARGETS

_TITLES = {contender.name: contender.title for contender in CONTENDERS}
_NONE = "-"


def page(contest: Contest, plot: str | None = None) -> str:
    """The whole page; `plot` is the address of a picture to show."""
    parts = [_head(contest), *([f"![The main figures]({plot})"] if plot else []), _targets(contest)]
    parts += [text for section in SECTIONS if (text := _section(contest, section))]
    if scripts := _scripts(contest):
        parts.append(scripts)
    parts.append(_versions(contest))
    return "\n\n".join(parts) + "\n"


def _head(contest: Contest) -> str:
    about = "; ".join(f"{key}: {value}" for key, value in contest.about.items())
    return (
        "# Benchmarks\n\n"
        "Written by `nox -s bench`; [how it measures](../../benchmarks/README.md).\n\n"
        f"{about}.\n\n"
        "Medians of the rounds, ± half their range; in brackets how many times the standard "
        "library's process pool that is, in the median round. A dash has its reason below."
    )


def _targets(contest: Contest) -> str:
    rows = []
    for target in TARGETS:
        value = target.measured(contest)
        if value is None:
            rows.append([target.title, "not measured", ""])
        else:
            rows.append(
                [target.title, target.shown.format(value), "yes" if target.met(value) else "**no**"]
            )
    return "## Targets\n\n" + table(["target", "measured", "met"], rows)


def _section(contest: Contest, section: Section) -> str:
    rows = []
    reasons: dict[tuple[str, str], list[str]] = {}
    for name in _present(contest):
        title = _TITLES[name]
        cells = [_cell(contest, name, figure) for figure in section.figures]
        missing = _missing(contest, name, section)
        if missing or any(cell != _NONE for cell in cells):
            rows.append([title, *cells])
        for why in dict.fromkeys(why for _, why in missing):
            columns = ", ".join(figure.title for figure, reason in missing if reason == why)
            reasons.setdefault((why, columns), []).append(title)
    if not rows:
        return ""
    head = ["", *(figure.title for figure in section.figures)]
    text = f"## {section.title}\n\n{section.explanation}\n\n{table(head, rows)}"
    listed = [
        f"- {', '.join(titles)} ({columns}): {why}" for (why, columns), titles in reasons.items()
    ]
    return "\n\n".join([text, "\n".join(listed)] if listed else [text])


def _present(contest: Contest) -> list[str]:
    known = [*contest.versions, *contest.values, *contest.notes]
    return [contender.name for contender in CONTENDERS if contender.name in known]


def _missing(contest: Contest, name: str, section: Section) -> list[tuple[Figure, str]]:
    """The figures that a contender does not have, and why."""
    notes = contest.notes.get(name, {})
    return [
        (figure, notes[figure.work])
        for figure in section.figures
        if figure.work in notes and contest.median(name, figure.name) is None
    ]


def _cell(contest: Contest, name: str, figure: Figure) -> str:
    value = contest.median(name, figure.name)
    if value is None:
        return _NONE
    text = shown(figure, value)
    spread = contest.spread(name, figure.name)
    if spread is not None:
        text += f" ±{100 * spread:.0f} %"
    ratio = contest.ratio(name, POOL, figure.name)
    if name not in (POOL, FLOOR) and ratio:
        # Of a rate or a share more is better, of all else less.
        times = 1 / ratio if figure.kind in ("rate", "share") else ratio
        text += f" ({times:.3g}x)"
    return text


def _scripts(contest: Contest) -> str:
    """Figures that are in no table, as other programs of this folder may give."""
    rows = [
        [figure, f"{value:.4g}"]
        for figure in contest.values.get(CREW, {})
        if figure not in FIGURES and (value := contest.median(CREW, figure)) is not None
    ]
    return "## More of crew\n\n" + table(["figure", "value"], rows) if rows else ""


def _versions(contest: Contest) -> str:
    rows = [[_TITLES.get(name, name), version] for name, version in contest.versions.items()]
    return "## Versions\n\n" + table(["", "version"], rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table, with its columns in line for those who read the text itself."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    ]
    rule = " | ".join("-" * max(width, 3) for width in widths)
    return "\n".join(f"| {line} |" for line in (lines[0], rule, *lines[1:]))
