"""Options that are ladders: lists of values, of which a launch takes the one at its step. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from crew_core._model.errors import ConfigError


def count_steps(options: Any, names: Sequence[str]) -> int:
    """How many steps the longest ladder has; 1 where there is none.

    Raises:
        ConfigError: a ladder has no step.
    """
    return max((len(ladder) for ladder in _ladders(options, names).values()), default=1)


def at_step(options: Any, names: Sequence[str], step: int) -> Any:
    """The options with a value for each ladder: of this step, or its last if it has fewer.

    Raises:
        ConfigError: a ladder has no step.
    """
    values = {
        name: ladder[min(step, len(ladder) - 1)]
        for name, ladder in _ladders(options, names).items()
    }
    return dataclasses.replace(options, **values) if values else options


def _ladders(options: Any, names: Sequence[str]) -> dict[str, Sequence[Any]]:
    found: dict[str, Sequence[Any]] = {}
    for name in names:
        value = getattr(options, name)
        if isinstance(value, (list, tuple)):
            if not value:
                raise ConfigError(f"{name}={value!r}: a ladder must have at least one step")
            found[name] = value
    return found
