"""Lets the tests import what several of them share, which is no distribution, and the testbeds."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
sys.path.insert(0, str(Path(__file__).parent))

from testbeds.fixtures import (
    lsf_bed,
    make_bed,
    pbs_bed,
    sge_bed,
    slurm_bed,
    ssh_apart,
    ssh_bed,
    torque_bed,
)

__all__ = [
    "lsf_bed",
    "make_bed",
    "pbs_bed",
    "sge_bed",
    "slurm_bed",
    "ssh_apart",
    "ssh_bed",
    "torque_bed",
]
