"""SLURM with TORQUE's commands, as tests see and trouble it."""

from __future__ import annotations

from pathlib import Path

from scenarios.folders import names_of
from scenarios.site import Site
from testbeds.torque import TorqueBed


class TorqueSite(Site):
    """The shared bed, as scenarios trouble it. SLURM tells what TORQUE's commands do not."""

    launcher = "torque"

    def __init__(self, bed: TorqueBed, directory: Path) -> None:
        super().__init__(bed)
        self._directory = directory

    def unfinished(self, controller: str) -> list[str]:
        names = names_of(controller, self._directory)
        lines = self._bed.ask("squeue", "-h", "-r", "-o", "%i %j").splitlines()
        return [line.split()[0] for line in lines if line.split()[1] in names]

    def cancel(self, job: str) -> None:
        self._bed.ask("qdel", job)
