"""Draws the pictures of docs/pictures, as SVG that reads on light and dark pages."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"
BLUE, GREEN, ORANGE, GREY = "#2f6db5", "#2e7d32", "#b35c00", "#777"
HEAD = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
    'font-family="sans-serif" font-size="13">\n'
    '<defs><marker id="tip" markerWidth="9" markerHeight="9" refX="8" refY="4.5" orient="auto">'
    f'<path d="M0,0 L9,4.5 L0,9 z" fill="{GREY}"/></marker></defs>\n'
    '<rect width="{width}" height="{height}" rx="8" fill="#fafafa"/>\n'
)


def box(x: int, y: int, width: int, height: int, lines: list[str], colour: str = BLUE) -> str:
    """A box with lines of text, the first of them bold."""
    parts = [
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="white" '
        f'stroke="{colour}" stroke-width="1.5"/>'
    ]
    for number, line in enumerate(lines):
        weight = ' font-weight="bold"' if number == 0 else ""
        place = f'x="{x + width / 2:g}" y="{y + 20 + 18 * number}" text-anchor="middle"'
        parts.append(f'<text {place} fill="#222"{weight}>{escape(line)}</text>')
    return "\n".join(parts) + "\n"


def arrow(points: str, label: str = "", at: tuple[int, int] = (0, 0)) -> str:
    """A line with a tip, and what is written beside it."""
    line = (
        f'<path d="M{points}" fill="none" stroke="{GREY}" stroke-width="1.5" '
        'marker-end="url(#tip)"/>\n'
    )
    if not label:
        return line
    place = f'x="{at[0]}" y="{at[1]}" text-anchor="middle"'
    return line + f'<text {place} fill="#444" font-size="11">{escape(label)}</text>\n'


def processes() -> str:
    """Who runs where."""
    return drawn(
        760,
        190,
        box(15, 30, 180, 110, ["your process", "Controller", "Client", "Fleet, Launcher"]),
        box(290, 30, 160, 110, ["dispatcher", "queue", "pure state machine", "no user code"]),
        box(540, 15, 205, 70, ["supervisor", "connection, limits", "no user code"], GREEN),
        box(540, 110, 205, 60, ["task process", "your functions"], ORANGE),
        arrow("195,70 288,70", "tasks", (242, 62)),
        arrow("290,105 197,105", "outcomes", (242, 122)),
        arrow("450,50 538,50", "socket or TLS", (494, 42)),
        arrow("640,85 640,108", "pipe", (662, 101)),
        arrow("105,140 105,175 520,175 520,70 538,70", "sbatch, ssh, SubmitJob, ...", (310, 168)),
    )


def task() -> str:
    """The states of a task."""
    return drawn(
        730,
        130,
        box(15, 35, 110, 35, ["queued"]),
        box(195, 35, 110, 35, ["assigned"]),
        box(375, 35, 110, 35, ["running"], ORANGE),
        box(555, 15, 160, 75, ["done", "success, error,", "crash, cancel, timeout"], GREEN),
        arrow("125,52 193,52"),
        arrow("305,52 373,52"),
        arrow("485,52 553,52"),
        arrow(
            "430,70 430,105 70,105 70,72",
            "its worker died: tried again, first in the queue",
            (250, 121),
        ),
    )


def worker() -> str:
    """The states of a worker's life."""
    names = ["submitting", "pending", "starting", "online", "draining", "exited"]
    parts = []
    for number, name in enumerate(names):
        colour = GREEN if name == "online" else BLUE
        parts.append(box(15 + 125 * number, 20, 100, 35, [name], colour))
        if number:
            parts.append(arrow(f"{15 + 125 * number - 25},37 {13 + 125 * number},37"))
    parts += [
        box(140, 95, 120, 35, ["launch failed"], ORANGE),
        box(375, 95, 120, 35, ["lost"], ORANGE),
        box(540, 95, 120, 35, ["terminated"], ORANGE),
        arrow("190,55 190,93"),
        arrow("440,55 435,93"),
        arrow("470,55 580,93"),
    ]
    return drawn(770, 150, *parts)


def scaling() -> str:
    """Tasks and workers over time."""
    axis = (
        f'<path d="M50,20 L50,170 L700,170" fill="none" stroke="{GREY}"/>\n'
        '<text x="690" y="188" fill="#444" font-size="11" text-anchor="end">time</text>\n'
        f'<path d="M50,60 L660,60" stroke="{GREY}" stroke-dasharray="4 4"/>\n'
        '<text x="668" y="64" fill="#444" font-size="11">workers=4</text>\n'
    )
    return drawn(
        760,
        200,
        axis,
        line("60,170 60,30 200,30 330,90 430,140 480,170", ORANGE, "unfinished tasks", 215, 32),
        line("60,170 60,60 130,60 130,170", BLUE, "on their way", 68, 78),
        line("130,170 130,60 540,60 540,115 600,115 600,170", GREEN, "online", 345, 52),
        '<text x="548" y="105" fill="#444" font-size="11">idle ones leave</text>\n',
    )


def line(points: str, colour: str, label: str, x: int, y: int) -> str:
    """A curve and its name."""
    return (
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>\n'
        f'<text x="{x}" y="{y}" fill="{colour}" font-size="12">{escape(label)}</text>\n'
    )


def drawn(width: int, height: int, *parts: str) -> str:
    """A whole picture."""
    return HEAD.format(width=width, height=height) + "".join(parts) + "</svg>\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for draw in (processes, task, worker, scaling):
        (FOLDER / f"{draw.__name__}.svg").write_text(draw(), "utf-8")
