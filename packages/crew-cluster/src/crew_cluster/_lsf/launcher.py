"""Workers as jobs of LSF."""

from __future__ import annotations

from typing import ClassVar

from crew_cluster._cluster.launcher import ClusterLauncher
from crew_cluster._cluster.scheduler import Scheduler
from crew_cluster._lsf.options import LsfOptions
from crew_cluster._lsf.scheduler import Lsf


class LsfLauncher(ClusterLauncher):
    """Asks LSF for workers."""

    scheduler: ClassVar[type[Scheduler]] = Lsf
    Options = LsfOptions
