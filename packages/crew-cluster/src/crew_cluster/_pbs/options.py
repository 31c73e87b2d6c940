"""What a user can say about workers on PBS."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from crew_cluster._cluster.ladders import one
from crew_cluster._cluster.options import (
    AMOUNTS,
    COUNTS,
    FLAG,
    WORD,
    ClusterOptions,
    Ladder,
    WholeLadder,
)
from crew_cluster._cluster.units import seconds
from crew_core.plugins import ConfigError


@dataclass(frozen=True, kw_only=True)
class PbsOptions(ClusterOptions):
    """What a user can say about workers on PBS, besides what all schedulers have.

    PBS Pro and OpenPBS; TORQUE, whose commands have the same names, has a launcher of its own.
    ``log_output`` may be a directory, or have PBS's patterns, such as ``^array_index^``; PBS writes
    there when a job has ended, so that what workers and tasks print stays in crew's own logs, and
    only what the job prints besides goes there.

    Attributes:
        queue: the queue; None: the site's default.
        cwd: start workers in the directory where the controller runs, not in the home directory.
        log_join: write errors where ``log_output`` says. They go there, too, when ``log_error`` is
            None.
        memory_gigabytes_required: memory of one worker's job, in GiB (steps).
        cores: processors of one worker (steps).
        walltime_hours: how long a worker's job may run (steps), unless ``walltime_minutes`` says
            so; None: the site's default.
        project: the project, where it is something else than the account.
        constraint: what the node must have besides, as one asks for it in ``-l select=``:
            "arch=linux", or several with colons between.
        reservation: the reservation to use. It is a queue of its own.
    """

    queue: str | None = field(default=None, metadata=WORD)
    cwd: bool = field(default=True, metadata=FLAG)
    log_join: bool = field(default=True, metadata=FLAG)
    memory_gigabytes_required: Ladder = field(default=None, metadata=AMOUNTS)
    cores: WholeLadder = field(default=None, metadata=COUNTS)
    walltime_hours: Ladder = field(default=12.0, metadata=AMOUNTS)
    project: str | None = field(default=None, metadata=WORD)
    constraint: str | None = field(default=None, metadata=WORD)
    reservation: str | None = field(default=None, metadata=WORD)

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_half_a_log(self)
        refuse_more_than_one_chunk("constraint", self.constraint)
        if self.queue is not None and self.reservation is not None:
            raise ConfigError("queue and reservation cannot both be given: it is a queue itself")

    @property
    def seconds_wall_time(self) -> int | None:
        """How long a job may run by these options."""
        return seconds_of(self.walltime_minutes, self.walltime_hours)


def seconds_of(minutes: Ladder, hours: Ladder) -> int | None:
    """How long a job may run: minutes count if there are any."""
    if (given := one(minutes)) is not None:
        return seconds(given)
    given = one(hours)
    return None if given is None else seconds(given * 60)


def refuse_half_a_log(options: Any) -> None:
    """Refuse a place for errors that nothing would be written to.

    Raises:
        ConfigError: saying what to give besides.
    """
    if options.log_error is None:
        return
    if options.log_join:
        raise ConfigError("log_error: with log_join=True errors go elsewhere; say log_join=False")
    if options.log_output is None:
        raise ConfigError("log_error: give log_output, too, or none of them")


def refuse_more_than_one_chunk(option: str, value: str | None) -> None:
    """Refuse what would ask for another node, or for something else than nodes.

    Raises:
        ConfigError: naming the character.
    """
    bad = sorted(set(value or "") & set(",+"))
    if bad:
        raise ConfigError(f"{option}={value!r}: must be about one node, without {bad[0]!r}")
