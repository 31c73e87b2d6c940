"""Shows and ends jobs of Grid Engine."""

from __future__ import annotations

from typing import ClassVar

from crew_cluster._cluster.monitor import ClusterMonitor
from crew_cluster._cluster.scheduler import Scheduler
from crew_cluster._sge.scheduler import Sge


class SgeMonitor(ClusterMonitor):
    """Shows and ends this user's jobs of Grid Engine that crew launched."""

    scheduler: ClassVar[type[Scheduler]] = Sge
