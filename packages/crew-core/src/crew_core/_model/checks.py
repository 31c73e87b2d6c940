"""Checks of single options: a wrong type is a TypeError, an impossible value a ConfigError.

Every message names the option, shows the value and says what is allowed.
"""

from __future__ import annotations

import math
import re

from crew_core._model.errors import ConfigError

NAME_LIMIT = 64
"""The most characters of a controller's name, which becomes part of file and job names."""

_NAME = re.compile(r"[A-Za-z0-9._-]+")


def check_seconds(option: str, value: object, *, endless: bool = True) -> None:
    """Refuse what is not a positive number; infinity only where ``endless``."""
    allowed = "a number above 0" + (", or inf" if endless else "")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(_complaint(option, value, f"{allowed}, not {_kind(value)}"))
    if not value > 0 or (math.isinf(value) and not endless):
        raise ConfigError(_complaint(option, value, allowed))


def check_amount(option: str, value: object) -> None:
    """Refuse what is not a finite number of zero or more."""
    allowed = "a number of at least 0"
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(_complaint(option, value, f"{allowed}, not {_kind(value)}"))
    if not 0 <= value < math.inf:
        raise ConfigError(_complaint(option, value, allowed))


def check_count(option: str, value: object, *, least: int, endless: bool = False) -> None:
    """Refuse what is not a whole number of at least ``least``; infinity only where ``endless``."""
    allowed = f"a whole number of at least {least}" + (", or inf" if endless else "")
    number = isinstance(value, int | float) if endless else isinstance(value, int)
    if isinstance(value, bool) or not number:
        raise TypeError(_complaint(option, value, f"{allowed}, not {_kind(value)}"))
    assert isinstance(value, int | float)
    whole = math.isinf(value) or value == value // 1
    if not whole or value < least:
        raise ConfigError(_complaint(option, value, allowed))


def check_flag(option: str, value: object) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool):
        raise TypeError(_complaint(option, value, f"True or False, not {_kind(value)}"))


def check_name(option: str, value: object) -> None:
    """Refuse what cannot be the name of a controller."""
    allowed = f"1 to {NAME_LIMIT} letters (A-Z, a-z), digits, dots, underscores and hyphens"
    if not isinstance(value, str):
        raise TypeError(_complaint(option, value, f"{allowed}, not {_kind(value)}"))
    # A name of dots alone would be a folder's own or its parent's name.
    if len(value) > NAME_LIMIT or not _NAME.fullmatch(value) or not value.strip("."):
        raise ConfigError(_complaint(option, value, allowed))


def _complaint(option: str, value: object, allowed: str) -> str:
    return f"{option}={value!r}: must be {allowed}"


def _kind(value: object) -> str:
    return type(value).__name__
