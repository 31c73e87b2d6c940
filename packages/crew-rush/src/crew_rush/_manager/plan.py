"""Defaults for libraries that use crew-rush: their users say here where and how workers run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crew_core import ConfigError

if TYPE_CHECKING:
    from crew_rush._store.embedded.owner import EmbeddedStore


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What ``crew_rush.plan`` was told. Fields are its arguments.

    Example::

        >>> import crew_rush
        >>> crew_rush.Plan(n_workers=4).launcher
        'local'
    """

    n_workers: int = 1
    store: EmbeddedStore | str | None = field(default=None, repr=False)
    launcher: str = "local"
    launcher_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    log_thresholds: Mapping[str, int | str] = field(default_factory=dict)
    log_buffer: int = 100
    large_objects_path: str | os.PathLike[str] | None = None
    seconds_start: float = 30.0


_plan: Plan | None = None


def plan(
    n_workers: int = 1,
    *,
    store: EmbeddedStore | str | None = None,
    launcher: str = "local",
    launcher_options: Mapping[str, Any] | None = None,
    log_thresholds: Mapping[str, int | str] | None = None,
    log_buffer: int = 100,
    large_objects_path: str | os.PathLike[str] | None = None,
    seconds_start: float = 30.0,
) -> Plan:
    """Say where and how workers run, for every ``Rush`` of this process that is not told.

    A library then writes ``Rush().start_workers(loop)``, and its user decides.

    Args:
        n_workers: how many ``start_workers`` starts.
        store: an ``EmbeddedStore`` or an address; None: an embedded one for each ``Rush``.
        launcher: what starts workers: "local", "slurm", ...
        launcher_options: the launcher's own options.
        log_thresholds: see ``Rush.start_workers``.
        log_buffer: see ``Rush.start_workers``.
        large_objects_path: see ``Rush``.
        seconds_start: how long ``wait_for_workers`` waits when it is not told.

    Raises:
        ConfigError: ``n_workers`` is not a positive whole number.

    Example::

        >>> import crew_rush
        >>> crew_rush.plan(4).n_workers
        4
        >>> crew_rush.remove_plan()
    """
    global _plan  # noqa: PLW0603 - that is what it is for
    if not isinstance(n_workers, int) or n_workers < 1:
        raise ConfigError(f"n_workers={n_workers!r}: must be a positive whole number")
    _plan = Plan(
        n_workers=n_workers,
        store=store,
        launcher=launcher,
        launcher_options=dict(launcher_options or {}),
        log_thresholds=dict(log_thresholds or {}),
        log_buffer=log_buffer,
        large_objects_path=large_objects_path,
        seconds_start=seconds_start,
    )
    return _plan


def current_plan() -> Plan:
    """What was said last; without that, the defaults.

    Example::

        >>> import crew_rush
        >>> crew_rush.current_plan().n_workers
        1
    """
    return Plan() if _plan is None else _plan


def remove_plan() -> None:
    """Forget what was said.

    Example::

        >>> import crew_rush
        >>> crew_rush.remove_plan()
    """
    global _plan  # noqa: PLW0603 - that is what it is for
    _plan = None
