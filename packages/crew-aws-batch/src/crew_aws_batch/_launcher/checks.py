"""Checks of single options: a wrong type is a TypeError, an impossible value a ConfigError."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from crew_core.plugins import ConfigError

_MOST = 10**9  # of any unit


def check_each(option: str, value: object, check: Callable[[str, Any], None]) -> None:
    """Check a value, or each step of a ladder, where there is one."""
    if value is None:
        return
    if not isinstance(value, tuple):
        check(option, value)
        return
    if not value:
        raise ConfigError(f"{option}=[]: must have at least one step")
    for step in value:
        check(option, step)


def check_text(option: str, value: object) -> None:
    """Refuse what is not printable text."""
    if not isinstance(value, str):
        raise TypeError(f"{option}={value!r}: must be text, not {_kind(value)}")
    if not value or not value.isprintable():
        raise ConfigError(f"{option}={value!r}: must be printable text")


def check_amount(option: str, value: object) -> None:
    """Refuse what is not a number above zero."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{option}={value!r}: must be a number above 0, not {_kind(value)}")
    if not 0 < value <= _MOST:
        raise ConfigError(f"{option}={value!r}: must be a number above 0, and {_MOST:g} at most")


def check_count(least: int, most: int = _MOST) -> Callable[[str, Any], None]:
    """A check that refuses what is not a whole number within these bounds."""

    def check(option: str, value: object) -> None:
        allowed = f"a whole number of at least {least}"
        if most < _MOST:
            allowed = f"a whole number from {least} to {most}"
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{option}={value!r}: must be {allowed}, not {_kind(value)}")
        if not least <= value <= most:
            raise ConfigError(f"{option}={value!r}: must be {allowed}")

    return check


def check_choice(*allowed: str) -> Callable[[str, Any], None]:
    """A check that refuses all but these words."""

    def check(option: str, value: object) -> None:
        if value not in allowed:
            raise ConfigError(f"{option}={value!r}: must be one of {', '.join(allowed)}")

    return check


def check_texts(option: str, value: object) -> None:
    """Refuse what is not a table of texts."""
    check_table(option, value)
    assert isinstance(value, Mapping)
    for key, text in value.items():
        if not isinstance(text, str):
            raise TypeError(f"{option}[{key!r}]={text!r}: must be text, not {_kind(text)}")


def check_table(option: str, value: object) -> None:
    """Refuse what is not a table with text for keys."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{option}={value!r}: must be a table, not {_kind(value)}")
    for key in value:
        if not isinstance(key, str):
            raise TypeError(f"{option}: {key!r} must be text, not {_kind(key)}")


def check_members(option: str, value: Mapping[str, Any], allowed: Sequence[str]) -> None:
    """Refuse keys that AWS does not have there."""
    for key in value:
        if key not in allowed:
            raise ConfigError(f"{option}: unknown key {key!r}. Valid keys: {', '.join(allowed)}")


def _kind(value: object) -> str:
    return type(value).__name__
