"""Shows and ends jobs of TORQUE."""

from __future__ import annotations

from typing import ClassVar

from crew_cluster._cluster.monitor import ClusterMonitor
from crew_cluster._cluster.scheduler import Scheduler
from crew_cluster._torque.scheduler import Torque


class TorqueMonitor(ClusterMonitor):
    """Shows and ends this user's jobs of TORQUE that crew launched."""

    scheduler: ClassVar[type[Scheduler]] = Torque
