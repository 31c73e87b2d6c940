"""How a stand-in for LSF is to be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LsfOptions:
    """What can be chosen.

    Attributes:
        host: the name of its only host; this machine's when empty.
        slots: of that host, whatever the machine has.
        memory_mb: of that host, in MiB.
        array_limit: MAX_JOB_ARRAY_SIZE.
        unit: LSF_UNIT_FOR_LIMITS, for -M: "KB", "MB" or "GB".
        enforce_memory: whether jobs over -M are ended.
        modern: understand what IBM documents for LSF 10.1 beside: -o and -json of bjobs, -env,
            -cwd, -oo and -eo of bsub, units behind -M, and reasons of ends.
        seconds_cycle: between two looks of the scheduler, and the least age of a job it starts.
        seconds_to_die: JOB_TERMINATE_INTERVAL, between the signals to a job.
        seconds_minute: how long a minute of -W is.
        seconds_remembered: CLEAN_PERIOD: how long finished jobs can be asked for.
    """

    host: str = ""
    slots: int = 16
    memory_mb: int = 64000
    array_limit: int = 1000
    unit: str = "KB"
    enforce_memory: bool = True
    modern: bool = False
    seconds_cycle: float = 1.0
    seconds_to_die: float = 3.0
    seconds_minute: float = 60.0
    seconds_remembered: float = 3600.0

    def node_names(self) -> list[str]:
        """The name of its host."""
        return [self.host]
