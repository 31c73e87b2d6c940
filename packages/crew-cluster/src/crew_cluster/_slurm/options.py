"""What a user can say about workers on SLURM."""

from __future__ import annotations

from dataclasses import dataclass, field

from crew_cluster._cluster.ladders import one
from crew_cluster._cluster.options import (
    AMOUNTS,
    COUNT,
    COUNTS,
    WORD,
    ClusterOptions,
    Ladder,
    WholeLadder,
)
from crew_cluster._cluster.units import up
from crew_core.plugins import ConfigError


@dataclass(frozen=True, kw_only=True)
class SlurmOptions(ClusterOptions):
    """What a user can say about workers on SLURM, besides what all schedulers have.

    ``log_output`` and ``log_error`` may have SLURM's patterns, such as ``%A_%a``.

    Attributes:
        partition: the partition, or several with commas between; None: the site's default.
        memory_gigabytes_required: memory of one worker's job, in GiB (steps).
        memory_gigabytes_per_cpu: memory for each of its processors, in GiB (steps).
        cpus_per_task: processors of one worker (steps).
        time_minutes: another name for ``walltime_minutes`` (steps). SLURM counts whole minutes.
        n_tasks: SLURM's tasks of one worker's job, of which the worker uses one; None: not said.
        qos: the quality of service.
        constraint: features that the node must have.
        reservation: the reservation to use.
        exclude: nodes not to use.
    """

    partition: str | None = field(default=None, metadata=WORD)
    memory_gigabytes_required: Ladder = field(default=None, metadata=AMOUNTS)
    memory_gigabytes_per_cpu: Ladder = field(default=None, metadata=AMOUNTS)
    cpus_per_task: WholeLadder = field(default=None, metadata=COUNTS)
    time_minutes: Ladder = field(default=None, metadata=AMOUNTS)
    n_tasks: int | None = field(default=1, metadata=COUNT)
    qos: str | None = field(default=None, metadata=WORD)
    constraint: str | None = field(default=None, metadata=WORD)
    reservation: str | None = field(default=None, metadata=WORD)
    exclude: str | None = field(default=None, metadata=WORD)

    def __post_init__(self) -> None:
        super().__post_init__()
        _refuse_both(self, "time_minutes", "walltime_minutes")
        _refuse_both(self, "memory_gigabytes_required", "memory_gigabytes_per_cpu")

    @property
    def whole_minutes(self) -> int | None:
        """How long a job may run, as SLURM counts."""
        minutes = one(self.walltime_minutes if self.time_minutes is None else self.time_minutes)
        return None if minutes is None else up(minutes)

    @property
    def seconds_wall_time(self) -> int | None:
        """How long a job may run by these options."""
        return None if self.whole_minutes is None else self.whole_minutes * 60


def _refuse_both(options: SlurmOptions, first: str, second: str) -> None:
    if getattr(options, first) is not None and getattr(options, second) is not None:
        raise ConfigError(f"{first} and {second} cannot both be given")
