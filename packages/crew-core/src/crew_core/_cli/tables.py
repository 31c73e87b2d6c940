"""Prints rows: as a table for people, in columns for pipes, or as JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
"""The option that all commands have which answer something."""

_COLOURS = {
    "ok": "green",
    "running": "green",
    "finished": "green",
    "pending": "yellow",
    "submitting": "yellow",
    "ending": "yellow",
    "FAILED": "bold red",
    "failed": "red",
    "cancelled": "red",
}


def show(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    as_json: bool,
    empty: str = "nothing",
) -> None:
    """Print rows. ``empty`` is what people read when there are none."""
    if as_json:
        show_value([dict(row) for row in rows])
    elif not rows:
        click.echo(empty)
    elif is_terminal():
        _show_pretty(rows, columns)
    else:
        _show_plain(rows, columns)


def show_value(value: object) -> None:
    """Print JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def show_frame(table: pd.DataFrame, *, as_json: bool, empty: str = "nothing") -> None:
    """Print a DataFrame."""
    text = table.to_json(orient="records", date_format="iso", date_unit="s")
    show(json.loads(text), list(table.columns), as_json=as_json, empty=empty)


def is_terminal() -> bool:
    """True where a person looks on."""
    return sys.stdout.isatty()


def _show_plain(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Nothing is cut off: whoever reads a pipe wants all of it."""
    cells = [list(columns), *([_text(row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    for line in cells:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def _show_pretty(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # What a platform has said of no job is a column of nothing.
    shown = [name for name in columns if any(_text(row.get(name)) for row in rows)]
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in shown:
        table.add_column(name, overflow="fold")
    for row in rows:
        texts = [_text(row.get(name)) for name in shown]
        # As Text, in which brackets mean nothing.
        table.add_row(*(Text(text, style=_COLOURS.get(text, "")) for text in texts))
    Console().print(table)


def _text(value: object) -> str:
    return "" if value is None else str(value)
