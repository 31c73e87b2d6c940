"""Workers as jobs of SLURM."""

from __future__ import annotations

from typing import ClassVar

from crew_cluster._cluster.launcher import ClusterLauncher
from crew_cluster._cluster.scheduler import Scheduler
from crew_cluster._slurm.options import SlurmOptions
from crew_cluster._slurm.scheduler import Slurm


class SlurmLauncher(ClusterLauncher):
    """Asks SLURM for workers."""

    scheduler: ClassVar[type[Scheduler]] = Slurm
    Options = SlurmOptions
