"""Prints rows, aligned for people or as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
"""The option that all commands with a table have."""


def show(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    *,
    as_json: bool,
    empty: str = "nothing",
) -> None:
    """Print rows. ``empty`` is what people read when there are none."""
    if as_json:
        click.echo(json.dumps([dict(row) for row in rows], indent=2))
    elif not rows:
        click.echo(empty)
    else:
        cells = [list(columns), *([_text(row.get(name)) for name in columns] for row in rows)]
        widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
        for line in cells:
            padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            click.echo("  ".join(padded).rstrip())


def show_frame(table: pd.DataFrame, *, as_json: bool, empty: str = "nothing") -> None:
    """Print a DataFrame."""
    text = table.to_json(orient="records", date_format="iso", date_unit="s")
    show(json.loads(text), list(table.columns), as_json=as_json, empty=empty)


def _text(value: object) -> str:
    return "" if value is None else str(value)
