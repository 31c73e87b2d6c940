"""Workers as jobs of Grid Engine."""

from __future__ import annotations

from typing import ClassVar

from crew_cluster._cluster.launcher import ClusterLauncher
from crew_cluster._cluster.scheduler import Scheduler
from crew_cluster._sge.options import SgeOptions
from crew_cluster._sge.scheduler import Sge


class SgeLauncher(ClusterLauncher):
    """Asks Grid Engine for workers."""

    scheduler: ClassVar[type[Scheduler]] = Sge
    Options = SgeOptions
