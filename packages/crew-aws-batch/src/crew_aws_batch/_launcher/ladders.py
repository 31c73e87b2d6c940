"""Options that may be lists, of which one value counts. Pure."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def one(value: T | tuple[T, ...] | None) -> T | None:
    """The value of an option: of a list that is at no step yet, the first."""
    return value[0] if isinstance(value, tuple) else value
