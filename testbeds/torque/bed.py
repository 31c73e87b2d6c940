"""A SLURM with the commands of TORQUE before its own, unpacked beside whatever is installed."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from testbeds import places, software
from testbeds.slurm.bed import SlurmBed
from testbeds.slurm.options import SlurmOptions

LIBRARIES = ("libslurm-perl", "libslurmdb-perl", "libswitch-perl")

_PACKAGE = "slurm-wlm-torque"

# The commands call these beside themselves.
_OF_SLURM = ("sbatch", "salloc", "srun", "scontrol", "scancel", "squeue")


@dataclass(frozen=True)
class TorqueOptions(SlurmOptions):
    """What can be chosen: as for SLURM, but jobs have PBS_* variables."""

    pbs: bool = True


class TorqueBed(SlurmBed):
    """A SLURM whose jobs have PBS_* variables, with qsub, qstat, qdel and their like.

    Its options are SLURM's. The package itself cannot be installed beside Grid Engine's.

    Example::

        bed = TorqueBed()
        bed.up()
        job = bed.ask("qsub", "-o", "/dev/null", "-e", "/dev/null", "job.sh")
        bed.down()
    """

    name = "torque"
    options_type = TorqueOptions

    @classmethod
    def lacks(cls, options: SlurmOptions | None = None) -> str | None:
        """What SLURM needs, and Perl's libraries for it."""
        return super().lacks(options) or software.lacks(LIBRARIES, ("apt-get", "dpkg-deb"))

    def _prepare(self) -> None:
        super()._prepare()
        software.install(LIBRARIES)
        software.unpack([_PACKAGE], self._unpacked)

    def _start(self) -> None:
        super()._start()
        shutil.copytree(self._unpacked / "usr" / "bin", self._commands, symlinks=True)
        for name in _OF_SLURM:
            link = self._commands / name
            link.unlink(missing_ok=True)
            link.symlink_to(Path("/usr/bin") / name)

    def environment(self) -> dict[str, str]:
        """SLURM's, and its commands come first on PATH."""
        path = os.environ.get("PATH", os.defpath).split(":")
        own = str(self._commands)
        return {
            **super().environment(),
            "PATH": ":".join([own, *(one for one in path if one != own)]),
        }

    @property
    def _unpacked(self) -> Path:
        return places.software() / _PACKAGE

    @property
    def _commands(self) -> Path:
        return self.place / "bin"
