"""Workers as jobs of TORQUE."""

from __future__ import annotations

from typing import ClassVar

from crew_cluster._cluster.launcher import ClusterLauncher
from crew_cluster._cluster.scheduler import Scheduler
from crew_cluster._torque.options import TorqueOptions
from crew_cluster._torque.scheduler import Torque


class TorqueLauncher(ClusterLauncher):
    """Asks TORQUE for workers."""

    scheduler: ClassVar[type[Scheduler]] = Torque
    Options = TorqueOptions
