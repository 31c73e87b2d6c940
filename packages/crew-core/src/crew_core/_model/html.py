"""Small tables for notebooks: what an object shows of itself where HTML can be seen."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from typing import Any

_LEFT = "text-align: left"
_LONGEST = 200


def facts(title: str, rows: Iterable[tuple[str, object]]) -> str:
    """A title and a row for each fact. What is None is left out."""
    lines = [
        f'<tr><th style="{_LEFT}">{escape(name)}</th><td style="{_LEFT}">{_cell(value)}</td></tr>'
        for name, value in rows
        if value is not None
    ]
    return f"<table><caption>{escape(title)}</caption>{''.join(lines)}</table>"


def grid(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A title, a head, and a row for each."""
    head = "".join(f'<th style="{_LEFT}">{escape(name)}</th>' for name in columns)
    lines = ["".join(f'<td style="{_LEFT}">{_cell(value)}</td>' for value in row) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><caption>{escape(title)}</caption><tr>{head}</tr>{body}</table>"


def short(value: object) -> str:
    """A value as Python writes it, cut short: it may be large."""
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = _LONGEST
    return shortener.repr(value)


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return escape(value.isoformat(sep=" ", timespec="milliseconds"))
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    if "\n" in text:
        return f'<pre style="margin: 0">{escape(text)}</pre>'
    return escape(text)
