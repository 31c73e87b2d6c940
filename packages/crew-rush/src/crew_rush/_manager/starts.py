"""Makes what workers are told from what a user said, once for all workers of a call."""

from __future__ import annotations

import logging
import os
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import msgspec

from crew_core import ConfigError, SerializationError
from crew_rush._model.names import token
from crew_rush._model.start import Start
from crew_rush._tasks.values import PICKLE, Values

Loop = Callable[..., object]


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """How workers live. See ``Rush.start_workers``."""

    packages: Sequence[str] = ()
    globals: Mapping[str, Any] = field(default_factory=dict)
    heartbeat_period: float = 1.0
    heartbeat_expire: float | None = None
    log_thresholds: Mapping[str, int | str] = field(default_factory=dict)
    log_buffer: int = 100
    message_log: str | os.PathLike[str] | None = None
    output_log: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if not self.heartbeat_period > 0:
            raise ConfigError(f"heartbeat_period={self.heartbeat_period!r}: must be positive")
        if self.expire <= self.heartbeat_period:
            raise ConfigError(
                f"heartbeat_expire={self.heartbeat_expire!r}: must be longer than "
                f"heartbeat_period={self.heartbeat_period!r}; three times as long is usual"
            )
        if isinstance(self.packages, str):
            raise ConfigError(f"packages={self.packages!r}: must be a list of names")

    @property
    def expire(self) -> float:
        """How long a worker may be silent: three beats and some time for a busy computer."""
        if self.heartbeat_expire is None:
            return max(3 * self.heartbeat_period, 10.0)
        return self.heartbeat_expire


def make_start(
    loop: Loop,
    arguments: Mapping[str, Any],
    settings: WorkerSettings,
    values: Values,
    launcher: tuple[str, Mapping[str, Any]],
    seconds_store: float,
) -> tuple[str, bytes]:
    """A name and what is to be kept under it.

    Raises:
        ConfigError: a setting is impossible.
        SerializationError: the loop, its arguments or globals cannot be copied.
        OversizedObjectError: they are too large together.
    """
    payload = PICKLE + _payload(loop, arguments, settings.globals)
    start = Start(
        payload=values.keep("worker_loop with its arguments and globals", payload),
        packages=tuple(settings.packages),
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        sys_path=tuple(entry for entry in sys.path if os.path.isabs(entry)),
        heartbeat_period=settings.heartbeat_period,
        heartbeat_expire=settings.expire,
        seconds_store=seconds_store,
        log_thresholds=_levels(settings.log_thresholds),
        log_buffer=settings.log_buffer,
        message_log=_folder(settings.message_log),
        output_log=_folder(settings.output_log),
        large_object_bytes=values.large_object_bytes,
        large_objects_path=None if values.folder is None else os.fspath(values.folder),
        launcher=launcher[0],
        launcher_options=pickle.dumps(dict(launcher[1])),
    )
    return f"start-{token()[:12]}", msgspec.msgpack.encode(start)


def _payload(loop: Loop, arguments: Mapping[str, Any], names: Mapping[str, Any]) -> bytes:
    if not callable(loop):
        raise TypeError(f"worker_loop={loop!r}: must be a function whose first argument is rush")
    if names and not isinstance(loop, FunctionType):
        raise ConfigError("globals=: are for a loop that is a plain function")
    # Always by cloudpickle: a loop from a script or notebook is then sent whole.
    import cloudpickle  # type: ignore[import-untyped]

    try:
        return bytes(cloudpickle.dumps((loop, dict(arguments), dict(names)), protocol=5))
    except Exception as error:
        raise SerializationError(
            f"worker_loop {getattr(loop, '__name__', loop)!r}, its arguments or globals cannot be "
            f"copied to a worker: {type(error).__name__}: {error}"
        ) from error


def _levels(thresholds: Mapping[str, int | str]) -> dict[str, int]:
    levels = {}
    for name, level in thresholds.items():
        number = logging.getLevelName(level.upper()) if isinstance(level, str) else level
        if not isinstance(number, int):
            raise ConfigError(
                f"log_thresholds: {level!r} is no level: write 'info' or logging.INFO"
            )
        levels[name] = number
    return levels


def _folder(given: str | os.PathLike[str] | None) -> str | None:
    return None if given is None else os.path.abspath(given)
