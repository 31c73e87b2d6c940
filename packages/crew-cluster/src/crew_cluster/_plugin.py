"""Names the launchers of crew-cluster; imports none of them, so that listing them stays cheap."""

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
