"""Every kind of testbed, by name."""

from __future__ import annotations

from testbeds.aws_batch import AwsBatchBed
from testbeds.bed import Bed
from testbeds.lsf import LsfBed
from testbeds.pbs import PbsBed
from testbeds.sge import SgeBed
from testbeds.slurm import SlurmBed
from testbeds.ssh import SshBed
from testbeds.torque import TorqueBed

BEDS: dict[str, type[Bed]] = {
    bed.name: bed for bed in (AwsBatchBed, LsfBed, PbsBed, SgeBed, SlurmBed, SshBed, TorqueBed)
}
