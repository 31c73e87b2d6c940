"""Every figure: what it is, which work gives it, and how a person reads it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.plan import MANY_WORKERS, WORKERS

SECONDS_BUSY = 0.005


@dataclass(frozen=True)
class Figure:
    """A measured number. Of all of them less is better as they are kept.

    They are in seconds, bytes, cores, or times of the best that there could be.

    Attributes:
        name: its name in results.
        work: the key of the work that gives it.
        title: the head of its column.
        kind: how it is shown: "time", "rate" (tasks per second), "share" (of the cores' ideal),
            "bytes", "cores", "times" (of the best).
        size: how many tasks, for a rate or a share.
        steady: hardly changed by what else the machine does.
    """

    name: str
    work: str
    title: str
    kind: str = "time"
    size: int = 1
    steady: bool = False


@dataclass(frozen=True)
class Section:
    """A table of the report.

    Attributes:
        title: its heading.
        explanation: what was done, in a sentence or two.
        figures: its columns.
    """

    title: str
    explanation: str
    figures: tuple[Figure, ...]


def _rates(work: str, sizes: tuple[int, ...]) -> tuple[Figure, ...]:
    return tuple(Figure(f"{work}/{n}", f"{work}/{n}", _short(n), "rate", n) for n in sizes)


def _arrays(work: str) -> tuple[Figure, ...]:
    return tuple(
        Figure(f"{work}/{size}", f"{work}/{size}", title)
        for size, title in ((1, "1 MB"), (10, "10 MB"), (100, "100 MB"), (1_000, "1 GB"))
    )


def _short(number: int) -> str:
    return f"{number // 1_000_000}M" if number >= 1_000_000 else f"{number // 1_000}k"


SECTIONS = (
    Section(
        "Many small tasks, by the bulk call",
        "No-op tasks per second through the bulk call at its defaults, for so many tasks; workers "
        "were there before. crew's is `controller.map`, which returns a table of full records.",
        _rates("bulk", (1_000, 10_000, 100_000, 1_000_000)),
    ),
    Section(
        "Many small tasks, submitted one by one",
        "No-op tasks per second, from the first of so many separate submits to the last result. "
        "For crew: `push` each, `wait`, `pop` each.",
        _rates("submit", (1_000, 10_000, 100_000)),
    ),
    Section(
        "One task at a time",
        "The cold start is from the start of a new Python process to its first result, imports and "
        "all. A round trip is one no-op there and back, with workers that are waiting.",
        (
            Figure("cold/1", "cold/1", "cold start"),
            Figure("round_trip/p50", "round_trip", "round trip, p50"),
            Figure("round_trip/p99", "round_trip", "round trip, p99"),
        ),
    ),
    Section(
        "Processor time",
        "What all processes of a contender together take for a task: one of 10,000 of a bulk call, "
        "one of 10,000 submitted one by one, one alone; and for the cold start. Load on the "
        "machine changes it little.",
        (
            Figure("bulk/10000/processor", "bulk/10000", "bulk call", steady=True),
            Figure("submit/10000/processor", "submit/10000", "one by one", steady=True),
            Figure("round_trip/processor", "round_trip", "round trip", steady=True),
            Figure("cold/1/processor", "cold/1", "cold start", steady=True),
        ),
    ),
    Section(
        "Useful share of the cores",
        f"Tasks of 5 ms of processor time each, through the bulk call, on {WORKERS} workers: the "
        f"share of what {WORKERS} cores could do. The floor is two bare processes that do the "
        "same: what others on the machine left over.",
        (
            Figure("busy/2000", "busy/2000", "2,000 tasks", "share", 2_000),
            Figure("busy/400", "busy/400", "400 tasks", "share", 400),
        ),
    ),
    Section(
        "Short and long tasks together",
        f"1,000 tasks of 1 ms with 4 of 2 s among them, by the bulk call, on {WORKERS} workers: "
        "how many times as long as if each went to the first free worker at once.",
        (Figure("mixed/1000", "mixed/1000", "time, to the ideal", "times"),),
    ),
    Section(
        "Arrays, out and back",
        "A NumPy array as argument and as result of one task. The floor is two copies between warm "
        "pieces of memory.",
        _arrays("echo"),
    ),
    Section(
        "One array for 1,000 tasks",
        "All tasks have the same array as an input, in the way that each contender offers for a "
        "running pool: crew's is `put`; where there is none, each task is sent the array.",
        _arrays("shared"),
    ),
    Section(
        "Memory",
        "Bytes for each of 10,000 no-op tasks: queued while all workers are busy, and finished "
        "with the result not yet taken away; in the user's process, and in all processes.",
        (
            Figure("queued/client", "memory/10000", "queued, client", "bytes"),
            Figure("queued/all", "memory/10000", "queued, all", "bytes"),
            Figure("finished/client", "memory/10000", "finished, client", "bytes"),
            Figure("finished/all", "memory/10000", "finished, all", "bytes"),
        ),
    ),
    Section(
        "Starting, stopping, waiting",
        f"From nothing to {MANY_WORKERS} workers that are all in a task, and from there to no "
        f"process left. While idle: how much of one core all processes with {WORKERS} waiting "
        "workers take.",
        (
            Figure(f"start/{MANY_WORKERS}", f"life/{MANY_WORKERS}", f"start {MANY_WORKERS}"),
            Figure(f"stop/{MANY_WORKERS}", f"life/{MANY_WORKERS}", f"stop {MANY_WORKERS}"),
            Figure("idle", "idle", "idle", "cores"),
        ),
    ),
)

FIGURES = {figure.name: figure for section in SECTIONS for figure in section.figures}


def shown(figure: Figure, value: float) -> str:
    """A value as a person reads it."""
    if figure.kind == "rate":
        return f"{_rounded(figure.size / value)}/s"
    if figure.kind == "share":
        return f"{share(figure, value):.1%}".replace("%", " %")
    if figure.kind == "bytes":
        return f"{_rounded(value)} B"
    if figure.kind == "times":
        return f"{value:.2f}"
    if figure.kind == "cores":
        return f"{value:.2%}".replace("%", " %")
    return time_shown(value)


def share(figure: Figure, seconds: float) -> float:
    """What part of the workers' cores tasks that keep them busy have used."""
    return figure.size * SECONDS_BUSY / WORKERS / seconds


def time_shown(seconds: float) -> str:
    """Seconds, in the unit that suits them."""
    for unit, factor in (("s", 1.0), ("ms", 1e3)):
        if seconds * factor >= 1:
            return f"{_rounded(seconds * factor)} {unit}"
    return f"{_rounded(seconds * 1e6)} µs"


def _rounded(value: float) -> str:
    """Three digits that count."""
    if abs(value) >= 100:
        digits = len(str(int(abs(value)))) - 3
        return f"{round(value, -digits):,.0f}"
    return f"{value:.3g}"
