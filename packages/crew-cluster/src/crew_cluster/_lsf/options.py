"""What a user can say about workers on LSF."""

from __future__ import annotations

from dataclasses import dataclass, field

from crew_cluster._cluster.checks import check_line, checked, path_without
from crew_cluster._cluster.ladders import one
from crew_cluster._cluster.options import (
    AMOUNTS,
    COUNTS,
    WORD,
    ClusterOptions,
    Ladder,
    Place,
    WholeLadder,
)
from crew_cluster._cluster.units import up
from crew_cluster._lsf.memory import UNITS
from crew_core.plugins import ConfigError

# Between double quotes, where some versions take "#" for a comment all the same.
PLACE = checked(path_without("#\"'\\"))


def check_condition(option: str, value: object) -> None:
    """Refuse what cannot stand between the brackets of ``select[…]``."""
    check_line(option, value)
    if bad := [character for character in str(value) if character in "\"'\\`$#[]"]:
        raise ConfigError(f"{option}={value!r}: must be a condition without {bad[0]!r}")


def check_unit(option: str, value: object) -> None:
    """Refuse what LSF does not count memory in."""
    if value not in UNITS:
        raise ConfigError(f"{option}={value!r}: must be one of {', '.join(UNITS)}, or None")


@dataclass(frozen=True, kw_only=True)
class LsfOptions(ClusterOptions):
    """What a user can say about workers on LSF, besides what all schedulers have.

    ``account`` is the project. ``log_output`` and ``log_error`` may have LSF's patterns, such as
    ``%J.%I``; LSF writes there when a job has ended, so that what workers and tasks print stays in
    crew's own logs, and only what the job prints besides goes there. LSF counts whole minutes.

    Attributes:
        queue: the queue; None: the site's default.
        cwd: where jobs start; None: in the directory of the program that launches them.
        memory_gigabytes_limit: the most memory of one worker's job, in GiB (steps).
        memory_gigabytes_required: memory that is set aside for it, in GiB (steps).
        memory_unit: what the site counts memory in: "KB", "MB", "GB" or more. None: as
            ``LSF_UNIT_FOR_LIMITS`` in the site's lsf.conf says, else "KB".
        cores: slots of one worker's job, all on one host (steps).
        qos: the service class.
        constraint: what the host must have, as in ``select[…]``: "intel && ncpus >= 8".
        reservation: the name of the advance reservation to use.
        exclude: hosts not to use, with commas between.
    """

    queue: str | None = field(default=None, metadata=WORD)
    cwd: Place = field(default=None, metadata=PLACE)
    log_output: Place = field(default=None, metadata=PLACE)
    log_error: Place = field(default=None, metadata=PLACE)
    memory_gigabytes_limit: Ladder = field(default=None, metadata=AMOUNTS)
    memory_gigabytes_required: Ladder = field(default=None, metadata=AMOUNTS)
    memory_unit: str | None = field(default=None, metadata=checked(check_unit))
    cores: WholeLadder = field(default=None, metadata=COUNTS)
    qos: str | None = field(default=None, metadata=WORD)
    constraint: str | None = field(default=None, metadata=checked(check_condition))
    reservation: str | None = field(default=None, metadata=WORD)
    exclude: str | None = field(default=None, metadata=WORD)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.log_error is not None and self.log_output is None:
            raise ConfigError("log_error: needs log_output=, as crew keeps both in one file")

    @property
    def whole_minutes(self) -> int | None:
        """How long a job may run, as LSF counts."""
        minutes = one(self.walltime_minutes)
        return None if minutes is None else up(minutes)

    @property
    def seconds_wall_time(self) -> int | None:
        """How long a job may run by these options."""
        return None if self.whole_minutes is None else self.whole_minutes * 60
