"""Shows and ends jobs of PBS."""

from __future__ import annotations

from typing import ClassVar

from crew_cluster._cluster.monitor import ClusterMonitor
from crew_cluster._cluster.scheduler import Scheduler
from crew_cluster._pbs.scheduler import Pbs


class PbsMonitor(ClusterMonitor):
    """Shows and ends this user's jobs of PBS that crew launched."""

    scheduler: ClassVar[type[Scheduler]] = Pbs
