"""What a user says of a task besides its command and arguments, checked at the call."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from crew_core._model.checks import check_flag
from crew_core._model.errors import ConfigError
from crew_core._model.names import random_digits
from crew_core._model.options import nearest
from crew_core._model.streams import ALGORITHMS

_SEED_LIMIT = 1 << 63
_PRIORITY_LIMIT = 1 << 31

Choice = TypeVar("Choice", bound=str)


class TaskOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a task is to be run; the keywords of ``push`` that say so.

    Attributes:
        seed: for the task's random numbers; None: the task's own stream.
        algorithm: NumPy bit generator of ``crew.rng()``.
        seconds_timeout: longest run time.
        seconds_queue: longest wait for a worker.
        seconds_expected: a worker with less time left than this is not given the task.
        priority: larger first.
        save_command: keep the command's text in the record.
    """

    seed: int | None = None
    algorithm: str | None = None
    seconds_timeout: float | None = None
    seconds_queue: float | None = None
    seconds_expected: float | None = None
    priority: int = 0
    save_command: bool = False

    def __post_init__(self) -> None:
        if self.seed is not None:
            msgspec.structs.force_setattr(self, "seed", check_seed(self.seed))
        if self.algorithm is not None:
            _check_algorithm(self.algorithm)
        for option in ("seconds_timeout", "seconds_queue", "seconds_expected"):
            msgspec.structs.force_setattr(self, option, _check_limit(option, getattr(self, option)))
        if isinstance(self.priority, bool) or not isinstance(self.priority, int):
            raise TypeError(f"priority={self.priority!r}: must be a whole number")
        if not -_PRIORITY_LIMIT <= self.priority < _PRIORITY_LIMIT:
            raise ConfigError(f"priority={self.priority!r}: must be from -2**31 to 2**31 - 1")
        check_flag("save_command", self.save_command)


def task_options(
    *,
    seed: int | None,
    algorithm: str | None,
    seconds_timeout: float | None,
    seconds_queue: float | None,
    seconds_expected: float | None,
    priority: int,
    save_command: bool,
) -> TaskOptions:
    """These, checked. Most pushes give none of them, and there may be thousands in a row."""
    if (
        seed is None
        and algorithm is None
        and seconds_timeout is None
        and seconds_queue is None
        and seconds_expected is None
        and type(priority) is int
        and priority == 0
        and save_command is False
    ):
        return PLAIN
    return TaskOptions(
        seed=seed,
        algorithm=algorithm,
        seconds_timeout=seconds_timeout,
        seconds_queue=seconds_queue,
        seconds_expected=seconds_expected,
        priority=priority,
        save_command=save_command,
    )


def check_seed(seed: Any) -> int:
    """A seed as a number, or ConfigError."""
    try:
        number = operator.index(seed)
    except TypeError:
        raise TypeError(f"seed={seed!r}: must be a whole number or None") from None
    if not 0 <= number < _SEED_LIMIT:
        raise ConfigError(f"seed={seed!r}: must be from 0 to 2**63 - 1")
    return number


def check_choice(option: str, value: object, choices: Sequence[Choice]) -> Choice:
    """One of a few words, or ConfigError."""
    for choice in choices:
        if value == choice:
            return choice
    allowed = ", ".join(map(repr, choices))
    raise ConfigError(
        f"{option}={value!r}: must be one of {allowed}.{nearest(str(value), choices)}"
    )


def check_timeout(option: str, value: object) -> float:
    """Seconds, zero or more, maybe infinite, or ConfigError."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{option}={value!r}: must be a number of seconds")
    seconds = float(value)
    if math.isnan(seconds) or seconds < 0:
        raise ConfigError(f"{option}={value!r}: must be zero or more")
    return seconds


def check_mapping(option: str, value: object) -> dict[str, Any]:
    """Names and values, or an error that says what is wrong."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"{option}={value!r}: must be a dict of names and values")
    for key in value:
        if not isinstance(key, str):
            raise TypeError(f"{option}: the name {key!r} must be a string")
    return dict(value)


def check_packages(packages: object) -> tuple[str, ...]:
    """Module names, or an error that says what is wrong."""
    if type(packages) is tuple and not packages:
        return ()
    if isinstance(packages, str) or not isinstance(packages, Sequence):
        raise TypeError(f"packages={packages!r}: must be a list of module names")
    for name in packages:
        if not isinstance(name, str):
            raise TypeError(f"packages: {name!r} must be a module's name")
        if not all(part.isidentifier() for part in name.split(".")):
            raise ConfigError(f"packages: {name!r} is not a module's name")
    return tuple(packages)


def check_name(name: object) -> str:
    """A task's name, made up when it is None."""
    if name is None:
        return unnamed()
    if not isinstance(name, str):
        raise TypeError(f"name={name!r}: must be a string")
    if not name:
        raise ConfigError("name='': a task's name must not be empty")
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"name={name!r}: cannot be encoded ({error})") from None
    return name


def unnamed() -> str:
    """A name for a task that was given none."""
    return f"unnamed_task_{random_digits()}"


def spread_seed(seed: int, count: int) -> list[int]:
    """A seed for each of many tasks. NumPy's SeedSequence makes them as good as independent."""
    import numpy as np

    words = np.random.SeedSequence(seed).generate_state(count, np.uint64)
    return [word >> 1 for word in words.tolist()]


def _check_algorithm(algorithm: object) -> None:
    if not isinstance(algorithm, str):
        raise TypeError(f"algorithm={algorithm!r}: must be a string or None")
    if algorithm not in ALGORITHMS:
        hint = nearest(algorithm, ALGORITHMS)
        raise ConfigError(f"algorithm={algorithm!r}: must be one of {', '.join(ALGORITHMS)}.{hint}")


def _check_limit(option: str, value: object) -> float | None:
    if value is None:
        return None
    seconds = check_timeout(option, value)
    if seconds == 0:
        raise ConfigError(f"{option}={value!r}: must be more than zero")
    return None if math.isinf(seconds) else seconds


PLAIN = TaskOptions()
"""Nothing but the defaults."""
