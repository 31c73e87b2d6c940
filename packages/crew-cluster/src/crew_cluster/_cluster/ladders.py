"""Options that may be lists of steps: what to ask for first, and what after that was too little."""

from __future__ import annotations

from typing import TypeVar

Value = TypeVar("Value")


def one(value: Value | tuple[Value, ...] | None) -> Value | None:
    """An option's value where lists have been replaced by one of their steps."""
    return value[0] if isinstance(value, tuple) else value
