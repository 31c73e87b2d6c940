"""Names the launchers and monitors of crew-cluster; imports none, so that listing stays cheap."""

from __future__ import annotations

from crew_core.plugins import hookimpl


@hookimpl
def crew_launchers() -> dict[str, str]:
    """Give each launcher's name and where its class is."""
    return {
        "slurm": "crew_cluster._slurm.launcher:SlurmLauncher",
        "sge": "crew_cluster._sge.launcher:SgeLauncher",
        "lsf": "crew_cluster._lsf.launcher:LsfLauncher",
        "pbs": "crew_cluster._pbs.launcher:PbsLauncher",
        "torque": "crew_cluster._torque.launcher:TorqueLauncher",
    }


@hookimpl
def crew_monitors() -> dict[str, str]:
    """Give each monitor's name and where its class is."""
    return {
        "slurm": "crew_cluster._slurm.monitor:SlurmMonitor",
        "sge": "crew_cluster._sge.monitor:SgeMonitor",
        "lsf": "crew_cluster._lsf.monitor:LsfMonitor",
        "pbs": "crew_cluster._pbs.monitor:PbsMonitor",
        "torque": "crew_cluster._torque.monitor:TorqueMonitor",
    }
