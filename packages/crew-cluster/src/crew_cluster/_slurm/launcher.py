"""Registers workers as jobs of SLURM; cannot start them yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from crew_cluster._cluster.refusal import cannot_submit_yet
from crew_core.plugins import Launcher, LaunchRequest


class SlurmLauncher(Launcher):
    """Asks SLURM for workers."""

    seconds_launch_default: ClassVar[float] = 86400

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """What a user can say about the workers.

        Attributes:
            partition: The partition to submit to; the site's default when None.
            memory_gigabytes_required: Memory of one worker's job, in GiB.
            cpus_per_task: Processors of one worker's job.
            time_minutes: Wall time limit of one worker's job.
            script_lines: Shell lines to run before the worker starts.
        """

        partition: str | None = None
        memory_gigabytes_required: float | None = None
        cpus_per_task: int | None = None
        time_minutes: float | None = None
        script_lines: tuple[str, ...] = ()

    def launch(self, request: LaunchRequest) -> list[Any]:
        """Refuse, since nothing is submitted in this version."""
        raise cannot_submit_yet("SLURM", request)
