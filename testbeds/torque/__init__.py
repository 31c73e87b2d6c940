"""SLURM's own commands for users of TORQUE, from Debian's package, on a SLURM testbed."""

from testbeds.torque.bed import TorqueBed, TorqueOptions

__all__ = ["TorqueBed", "TorqueOptions"]
