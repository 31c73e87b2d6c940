"""SLURM from Debian's packages: several nodes on this machine, or on hosts of their own."""

from testbeds.slurm.bed import SlurmBed
from testbeds.slurm.options import SlurmOptions

__all__ = ["SlurmBed", "SlurmOptions"]
