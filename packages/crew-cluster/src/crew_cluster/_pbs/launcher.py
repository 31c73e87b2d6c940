"""Workers as jobs of PBS."""

from __future__ import annotations

from typing import ClassVar

from crew_cluster._cluster.launcher import ClusterLauncher
from crew_cluster._cluster.scheduler import Scheduler
from crew_cluster._pbs.options import PbsOptions
from crew_cluster._pbs.scheduler import Pbs
from crew_core.plugins import Pace


class PbsLauncher(ClusterLauncher):
    """Asks PBS Pro or OpenPBS for workers."""

    scheduler: ClassVar[type[Scheduler]] = Pbs
    # A job that is told to end runs on for PBS until its kill_delay of 10 s is over. Then somebody
    # must look: a task is judged by what PBS says in time of its worker's end.
    pace: ClassVar[Pace] = Pace(growth=1.1)
    Options = PbsOptions
