"""The shared bed, as scenarios trouble it."""

from __future__ import annotations

from scenarios.site import Site

NODES = ("n1", "n2")


class SlurmSite(Site):
    """The shared bed, as scenarios trouble it."""

    launcher = "slurm"

    def unfinished(self, controller: str) -> list[str]:
        lines = self._bed.ask("squeue", "-h", "-r", "-o", "%i %j").splitlines()
        return [line.split()[0] for line in lines if f"crew-{controller}-" in line]

    def cancel(self, job: str) -> None:
        self._bed.ask("scancel", job)
