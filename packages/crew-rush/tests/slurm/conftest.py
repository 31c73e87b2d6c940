"""Real SLURM, whose nodes have addresses of their own."""

from __future__ import annotations

from testbeds.fixtures import make_bed, slurm_apart

__all__ = ["make_bed", "slurm_apart"]
