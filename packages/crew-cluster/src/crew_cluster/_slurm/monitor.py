"""Shows and ends jobs of SLURM."""

from __future__ import annotations

from typing import ClassVar

from crew_cluster._cluster.monitor import ClusterMonitor
from crew_cluster._cluster.scheduler import Scheduler
from crew_cluster._slurm.scheduler import Slurm


class SlurmMonitor(ClusterMonitor):
    """Shows and ends this user's jobs of SLURM that crew launched."""

    scheduler: ClassVar[type[Scheduler]] = Slurm
