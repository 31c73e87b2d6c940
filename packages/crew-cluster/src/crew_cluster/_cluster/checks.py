"""Checks of single option values, and how a field of an options class names its check.

A wrong type is a TypeError, an impossible value a ConfigError. Every message names the option,
shows the value and says what is allowed.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from typing import Any

from crew_core.plugins import ConfigError

Check = Callable[[str, Any], None]

_MOST = 10**9  # of any unit

_CHECK = "check"
_LADDER = "ladder"

# A directive is one line, and a shell may look at a part of it.
_NOT_IN_WORDS = frozenset("\"'\\`$#;<>")


def checked(check: Check, *, ladder: bool = False) -> Mapping[str, Any]:
    """The ``metadata`` of a field whose values are to be checked.

    Args:
        check: told the option's name and a value that is not None.
        ladder: the option may be a list, too: of what to ask for the first time, after a worker
            died of too little, and so on.
    """
    return {_CHECK: check, _LADDER: ladder}


def check_fields(options: Any) -> None:
    """Check all fields of an options object that name a check, and make tuples of lists.

    Raises:
        ConfigError: for an impossible value.
        TypeError: for a value of the wrong type.
    """
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if isinstance(value, list):
            value = tuple(value)
            object.__setattr__(options, field.name, value)
        if value is not None and _CHECK in field.metadata:
            _check_field(field, value)


def ladder_names(options: type) -> tuple[str, ...]:
    """The options of a class that may be lists of steps."""
    return tuple(field.name for field in dataclasses.fields(options) if field.metadata.get(_LADDER))


def _check_field(field: dataclasses.Field[Any], value: Any) -> None:
    check = field.metadata[_CHECK]
    if not (field.metadata[_LADDER] and isinstance(value, tuple)):
        check(field.name, value)
        return
    if not value:
        raise ConfigError(f"{field.name}=[]: must have at least one step")
    for step in value:
        check(field.name, step)


# ── The checks ─────────────────────────────────────────────────────────────────────────────────


def check_flag(option: str, value: object) -> None:
    """Refuse what is neither True nor False."""
    if not isinstance(value, bool):
        raise TypeError(f"{option}={value!r}: must be True or False, not {_kind(value)}")


def check_count(option: str, value: object) -> None:
    """Refuse what is not a whole number above zero."""
    _check_whole(option, value, 1)


def check_count_or_none_at_all(option: str, value: object) -> None:
    """Refuse what is not a whole number of zero or more."""
    _check_whole(option, value, 0)


def check_amount(option: str, value: object) -> None:
    """Refuse what is not a number above zero that something can be measured by."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{option}={value!r}: must be a number above 0, not {_kind(value)}")
    if not 0 < value <= _MOST:
        raise ConfigError(f"{option}={value!r}: must be a number above 0, and {_MOST:g} at most")


def check_word(option: str, value: object) -> None:
    """Refuse what is not one word that means the same to every scheduler and shell."""
    text = _text(option, value)
    bad = sorted(c for c in set(text) if c in _NOT_IN_WORDS or c.isspace() or not c.isprintable())
    if bad:
        raise ConfigError(f"{option}={text!r}: must be one word, without {bad[0]!r}")
    if text.startswith("-"):
        raise ConfigError(f"{option}={text!r}: must not begin with a hyphen")


def check_line(option: str, value: object) -> None:
    """Refuse what is not one line of printable text."""
    text = _text(option, value)
    if not text.isprintable():
        raise ConfigError(f"{option}={text!r}: must be one line of printable characters")


def check_interpreter(option: str, value: object) -> None:
    """Refuse what cannot follow ``#!`` in a script."""
    check_line(option, value)
    if not str(value).startswith("/"):
        raise ConfigError(f'{option}={value!r}: must begin with "/", as in "/bin/bash -l"')


def check_path(option: str, value: object) -> None:
    """Refuse what cannot be a path, or not one that fits on a line."""
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{option}={value!r}: must be a path, not {_kind(value)}")
    check_line(option, os.fspath(value))


def path_without(characters: str) -> Check:
    """A check for schedulers that can quote some characters of a path in no way."""

    def check(option: str, value: object) -> None:
        check_path(option, value)
        text = os.fspath(value) if isinstance(value, str | os.PathLike) else ""
        if bad := [character for character in text if character in characters]:
            raise ConfigError(f"{option}={text!r}: must be a path without {bad[0]!r}")
        if text.startswith("-"):
            raise ConfigError(f"{option}={text!r}: must not begin with a hyphen")

    return check


def check_lines(option: str, value: object) -> None:
    """Refuse what is not a list of lines of printable text."""
    for line in _list(option, value):
        check_line(option, line)


def check_shell_lines(option: str, value: object) -> None:
    """Refuse what is not a list of text that can stand in a shell script."""
    for line in _list(option, value):
        if not isinstance(line, str):
            raise TypeError(f"{option}: {line!r} must be text, not {_kind(line)}")
        if "\0" in line or "\r" in line or not _can_be_written(line):
            raise ConfigError(
                f"{option}: {line!r} must not hold NUL, carriage return or surrogates"
            )


def _check_whole(option: str, value: object, least: int) -> None:
    allowed = f"a whole number of at least {least}"
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{option}={value!r}: must be {allowed}, not {_kind(value)}")
    if not least <= value <= _MOST:
        raise ConfigError(f"{option}={value!r}: must be {allowed}")


def _text(option: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{option}={value!r}: must be text, not {_kind(value)}")
    if not value:
        raise ConfigError(f"{option}={value!r}: must not be empty")
    return value


def _list(option: str, value: object) -> tuple[object, ...]:
    if not isinstance(value, tuple):  # lists have become tuples
        raise TypeError(f"{option}={value!r}: must be a list of lines, not {_kind(value)}")
    return value


def _can_be_written(text: str) -> bool:
    try:
        text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: object) -> str:
    return type(value).__name__
