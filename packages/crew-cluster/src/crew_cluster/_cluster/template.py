"""Fills a user's script template: ``{{ word }}`` becomes what the word stands for."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crew_core.plugins import ConfigError

WORKER = "worker"
"""The place that every template must have: the lines that start the worker."""

PLACES = ("directives", "script_lines", WORKER, "script_lines_after", "name", "count")
"""What a template can name besides the options."""

_PLACE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def check_template(path: Path, options: Any) -> None:
    """Refuse a template that cannot be read or filled.

    Raises:
        ConfigError: saying why.
    """
    names = set(_PLACE.findall(read_template(path)))
    if WORKER not in names:
        raise ConfigError(
            f"template={str(path)!r}: must have a line {{{{ {WORKER} }}}}, where the worker starts"
        )
    known = {*PLACES, *(field.name for field in dataclasses.fields(options))}
    if unknown := sorted(names - known):
        raise ConfigError(
            f"template={str(path)!r}: {{{{ {unknown[0]} }}}} stands for nothing. Valid: "
            f"{', '.join(PLACES)}, and the names of options"
        )


def read_template(path: Path) -> str:
    """The text of a template.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"template={str(path)!r}: cannot be read: {error}") from None


def fill(text: str, places: Mapping[str, str], options: Any) -> str:
    """The text with every place filled: by name from ``places``, else from the options.

    What is filled in is not looked at for further places.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        return places[name] if name in places else _plain(getattr(options, name))

    return _PLACE.sub(value, text)


def _plain(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value))
    return "" if value is None else str(value)
