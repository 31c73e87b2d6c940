"""The options that all controllers have, in groups, and how flat keywords are sorted into them."""

from __future__ import annotations

import dataclasses
import math
import os
import re
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import msgspec

from crew_core._model.checks import (
    check_amount,
    check_count,
    check_flag,
    check_name,
    check_seconds,
)
from crew_core._model.errors import ConfigError, PluginContractError
from crew_core._model.network import NetworkOptions


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """How workers behave and when they leave.

    Attributes:
        seconds_idle: a worker leaves after this long without a task.
        seconds_wall: a worker takes no new task after this long.
        tasks_max: a worker leaves after this many tasks.
        tasks_timers: tasks done before the idle and wall timers start.
        reset_globals: remove, between tasks, the global names that tasks made.
        reset_packages: forget, between tasks, the modules that tasks imported.
        reset_options: restore, between tasks, environment variables, working directory and more.
        garbage_collection: collect garbage between tasks.

    Example::

        >>> crew.WorkerOptions(seconds_idle=60, tasks_max=100).tasks_max
        100
    """

    seconds_idle: float = 300.0
    seconds_wall: float = math.inf
    tasks_max: float = math.inf
    tasks_timers: int = 0
    reset_globals: bool = True
    reset_packages: bool = False
    reset_options: bool = False
    garbage_collection: bool = False

    def __post_init__(self) -> None:
        check_seconds("seconds_idle", self.seconds_idle)
        check_seconds("seconds_wall", self.seconds_wall)
        check_count("tasks_max", self.tasks_max, least=1, endless=True)
        check_count("tasks_timers", self.tasks_timers, least=0)
        check_flag("reset_globals", self.reset_globals)
        check_flag("reset_packages", self.reset_packages)
        check_flag("reset_options", self.reset_options)
        check_flag("garbage_collection", self.garbage_collection)


@dataclass(frozen=True, kw_only=True)
class ScalingOptions:
    """How many workers there may be and how they are launched.

    Attributes:
        workers: most workers at once.
        seconds_interval: the longest between two looks at the workers.
        seconds_launch: a launched worker that has not connected by then is given up; None: what
            the launcher takes as its own default.
        launch_max: futile launches in a row after which launching stops with an error.
        pending_max: most launches that may be on their way at once: submitted, and not connected.
            Those by hand, ``launch()``, count, but are not held back.
        budget_hours: what all workers together may use from the controller's start on, in hours of
            one worker. It counts from when a worker runs, as far as its platform tells, or else
            from when it connects, until it has left. Once it is used up nothing is launched,
            running tasks are let end (which takes some more), and workers leave.
        processes: how many launch daemons, processes of this computer, launch and end workers in
            the background; None: the controller's own threads do, and calls that launch raise
            what the platform refuses.

    Example::

        >>> crew.ScalingOptions(workers=50).workers
        50
    """

    workers: int = 1
    seconds_interval: float = 0.25
    seconds_launch: float | None = None
    launch_max: int = 5
    pending_max: float = math.inf
    budget_hours: float = math.inf
    processes: int | None = None

    def __post_init__(self) -> None:
        check_count("workers", self.workers, least=1)
        check_seconds("seconds_interval", self.seconds_interval, endless=False)
        if self.seconds_launch is not None:
            check_seconds("seconds_launch", self.seconds_launch)
        check_count("launch_max", self.launch_max, least=1)
        check_count("pending_max", self.pending_max, least=1, endless=True)
        check_seconds("budget_hours", self.budget_hours)
        if self.processes is not None:
            check_count("processes", self.processes, least=1)


@dataclass(frozen=True, kw_only=True)
class RetryOptions:
    """When a task whose worker crashed is tried again.

    Attributes:
        retry_tasks: try crashed tasks again at all.
        crashes_max: crashes in a row of one task after which its record says "crash"; 0: the first
            is final. What is not the task's fault does not count, as far as its worker or the
            platform tells: wall time, preemption, a lost node, a job that somebody ended, and too
            little memory where a larger worker can be launched. A task is tried 20 times in all.
        backup: the controller that runs a task after ``crashes_max`` crashes, or None. For
            ``crew.controller`` and in a configuration file also the name of one in the file. Not a
            group. Not used with ``crashes_max=0``. Started when first needed, and ended by whoever
            started it.

    Example::

        >>> crew.RetryOptions(crashes_max=2).crashes_max
        2
    """

    retry_tasks: bool = True
    crashes_max: int = 5
    backup: Any = None

    def __post_init__(self) -> None:
        check_flag("retry_tasks", self.retry_tasks)
        check_count("crashes_max", self.crashes_max, least=0)


@dataclass(frozen=True, kw_only=True)
class ClientOptions:
    """The controller's own side.

    Attributes:
        name: the controller's name; None: a random one.
        seconds_timeout: limit for internal waits: start, stop.
        seconds_heartbeat: a worker silent for this long is lost, its task is tried again.
        seed: root of all tasks' random streams; None: a random one.
        put_memory_gigabytes: how much memory (in 2**30 bytes) the objects of ``put`` may take in
            the dispatcher, which keeps the rest in files, and in each worker, which forgets those
            it did not use for longest and is sent them again when a task needs them.

    Example::

        >>> crew.ClientOptions(name="night-run", seconds_timeout=30).name
        'night-run'
    """

    name: str | None = None
    seconds_timeout: float = 60.0
    seconds_heartbeat: float = 30.0
    seed: int | None = None
    put_memory_gigabytes: float = 1.0

    def __post_init__(self) -> None:
        check_amount("put_memory_gigabytes", self.put_memory_gigabytes)
        if self.name is not None:
            check_name("name", self.name)
        check_seconds("seconds_timeout", self.seconds_timeout)
        check_seconds("seconds_heartbeat", self.seconds_heartbeat)
        if self.seed is not None:
            check_count("seed", self.seed, least=0)


@dataclass(frozen=True, kw_only=True)
class LogOptions:
    """What is written to disk about a run.

    Attributes:
        log_directory: where each worker's output goes; None: under the user's state directory.
        log_resources: a CSV file to record memory and time of the local processes in, or None.

    Example::

        >>> crew.LogOptions(log_directory="logs").log_directory
        'logs'
    """

    log_directory: str | Path | None = None
    log_resources: str | Path | None = None

    def __post_init__(self) -> None:
        _check_path("log_directory", self.log_directory)
        _check_path("log_resources", self.log_resources)


class Groups(NamedTuple):
    """All options of one controller, sorted. ``launcher`` is the launcher's own dataclass."""

    worker: WorkerOptions
    scaling: ScalingOptions
    retry: RetryOptions
    client: ClientOptions
    log: LogOptions
    network: NetworkOptions
    launcher: Any


_COMMON: tuple[type, ...] = (
    WorkerOptions,
    ScalingOptions,
    RetryOptions,
    ClientOptions,
    LogOptions,
    NetworkOptions,
)


def split(options: Mapping[str, object], launcher_options: type) -> Groups:
    """Sort flat options into the common groups and the launcher's own, all checked.

    Args:
        options: what the user said, by option name.
        launcher_options: the frozen dataclass whose fields are the launcher's own options.

    Raises:
        ConfigError: for an unknown option or an impossible value.
        TypeError: for a value of the wrong type.
        PluginContractError: when the launcher's options clash with the common ones.
    """
    groups = [*_COMMON, launcher_options]
    known = [_names(group) for group in groups]
    _refuse_clashes(launcher_options, known)
    _refuse_unknown(options, [name for names in known for name in names])
    chosen = [{name: options[name] for name in names if name in options} for names in known]
    worker, scaling, retry, client, log, network = (
        group(**part) for group, part in zip(_COMMON, chosen, strict=False)
    )
    own = make_options(launcher_options, chosen[-1])
    return Groups(worker, scaling, retry, client, log, network, own)


def make_options(kind: type, values: Mapping[str, object]) -> Any:
    """An instance of a plugin's options class, each value checked against its annotation.

    Raises:
        ConfigError: for an unknown option or an impossible value.
        TypeError: for a value of the wrong type.
    """
    _refuse_unknown(values, _names(kind))
    hints = typing.get_type_hints(kind)
    return kind(**{name: _typed(name, value, hints[name]) for name, value in values.items()})


def nearest(word: str, known: Iterable[str]) -> str:
    """A sentence that suggests the known word most like this one, or nothing."""
    import difflib  # for who mistypes

    close = difflib.get_close_matches(word, sorted(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _names(kind: type) -> list[str]:
    return [field.name for field in dataclasses.fields(kind) if field.init]


def _refuse_clashes(launcher_options: type, known: list[list[str]]) -> None:
    clashes = sorted({name for names in known[:-1] for name in names} & set(known[-1]))
    if clashes:
        raise PluginContractError(
            f"{launcher_options.__module__}.{launcher_options.__qualname__} declares options "
            f"that every controller has already: {', '.join(clashes)}. Rename them there."
        )


def _refuse_unknown(options: Iterable[str], known: list[str]) -> None:
    for name in options:
        if name not in known:
            valid = ", ".join(sorted(known)) or "there are none"
            raise ConfigError(
                f"unknown option {name!r}.{nearest(name, known)} Valid options: {valid}"
            )


_MISMATCH = r"Expected `[^`]*`, got `"


def _typed(option: str, value: object, hint: Any) -> object:
    try:
        return msgspec.convert(value, hint, strict=True, dec_hook=_from_plain)
    except msgspec.ValidationError as error:
        kind = TypeError if re.match(_MISMATCH, str(error)) else ConfigError
        raise kind(f"{option}={value!r}: {error}") from None
    except TypeError:
        # msgspec cannot check every annotation (a union with a class, say). The plugin's own
        # __post_init__ must judge such a value.
        return value


def _from_plain(kind: type, value: object) -> object:
    """Let text stand for a path, as it must in a configuration file."""
    if isinstance(value, str) and issubclass(kind, PurePath):
        return kind(value)
    # Returned as it is, msgspec compares it with the annotation and complains.
    return value


def _check_path(option: str, value: object) -> None:
    if value is None:
        return
    if not isinstance(value, str | os.PathLike):
        raise TypeError(f"{option}={value!r}: must be a path or None, not {type(value).__name__}")
    if not os.fspath(value):
        raise ConfigError(f"{option}={value!r}: must not be empty")
