"""What a user can say about workers on TORQUE."""

from __future__ import annotations

from dataclasses import dataclass, field

from crew_cluster._cluster.checks import checked, path_without
from crew_cluster._cluster.options import (
    AMOUNTS,
    COUNTS,
    FLAG,
    WORD,
    ClusterOptions,
    Ladder,
    Place,
    WholeLadder,
)
from crew_cluster._pbs.options import refuse_half_a_log, refuse_more_than_one_chunk, seconds_of

# SLURM's command of this name writes them into a line for a shell, as they are.
ON_COMMAND_LINE = checked(path_without(" !\"#&'()*;<>?[\\]`{|}"))


@dataclass(frozen=True, kw_only=True)
class TorqueOptions(ClusterOptions):
    """What a user can say about workers on TORQUE, besides what all schedulers have.

    PBS Pro and OpenPBS, whose commands have the same names, have a launcher of their own.
    ``log_output`` may be a directory, or have TORQUE's variables, such as ``$PBS_JOBID``; TORQUE
    writes there when a job has ended, so that what workers and tasks print stays in crew's own
    logs, and only what the job prints besides goes there.

    Attributes:
        queue: the queue; None: the site's default.
        cwd: start workers in the directory where the controller runs, not in the home directory.
        log_join: write errors where ``log_output`` says. They go there, too, when ``log_error`` is
            None.
        memory_gigabytes_required: memory of one worker's job, in GiB (steps).
        cores: processors of one worker (steps).
        walltime_hours: how long a worker's job may run (steps), unless ``walltime_minutes`` says
            so; None: the site's default.
        qos: the quality of service, at sites with Moab or Maui; likewise ``reservation`` and
            ``exclusive``.
        constraint: a property that the node must have, or several with colons between.
        reservation: the reservation to use.
    """

    queue: str | None = field(default=None, metadata=WORD)
    script_directory: Place = field(default=None, metadata=ON_COMMAND_LINE)
    log_output: Place = field(default=None, metadata=ON_COMMAND_LINE)
    log_error: Place = field(default=None, metadata=ON_COMMAND_LINE)
    cwd: bool = field(default=True, metadata=FLAG)
    log_join: bool = field(default=True, metadata=FLAG)
    memory_gigabytes_required: Ladder = field(default=None, metadata=AMOUNTS)
    cores: WholeLadder = field(default=None, metadata=COUNTS)
    walltime_hours: Ladder = field(default=12.0, metadata=AMOUNTS)
    qos: str | None = field(default=None, metadata=WORD)
    constraint: str | None = field(default=None, metadata=WORD)
    reservation: str | None = field(default=None, metadata=WORD)

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_half_a_log(self)
        for option in ("constraint", "qos", "reservation"):
            refuse_more_than_one_chunk(option, getattr(self, option))

    @property
    def seconds_wall_time(self) -> int | None:
        """How long a job may run by these options."""
        return seconds_of(self.walltime_minutes, self.walltime_hours)
