"""Shows and ends jobs of LSF."""

from __future__ import annotations

from typing import ClassVar

from crew_cluster._cluster.monitor import ClusterMonitor
from crew_cluster._cluster.scheduler import Scheduler
from crew_cluster._lsf.scheduler import Lsf


class LsfMonitor(ClusterMonitor):
    """Shows and ends this user's jobs of LSF that crew launched."""

    scheduler: ClassVar[type[Scheduler]] = Lsf
