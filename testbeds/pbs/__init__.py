"""A stand-in for PBS Pro and OpenPBS: its commands, and the answers of OpenPBS."""

from testbeds.pbs.bed import PbsBed
from testbeds.pbs.options import PbsOptions

__all__ = ["PbsBed", "PbsOptions"]
