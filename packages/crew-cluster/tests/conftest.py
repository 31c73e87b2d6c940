"""Lets the tests import what several of them share, which is no distribution, and the testbeds."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parents[3]))
sys.path.insert(0, str(Path(__file__).parent))

from testbeds.fixtures import lsf_bed, make_bed, sge_bed, slurm_apart, slurm_bed

__all__ = ["lsf_bed", "make_bed", "sge_bed", "slurm_apart", "slurm_bed"]

# Some properties ask a shell, which takes as long as it takes, as does a machine with other work.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
