"""A stand-in for LSF: its commands, and the answers of OpenLava."""

from testbeds.lsf.bed import LsfBed
from testbeds.lsf.options import LsfOptions

__all__ = ["LsfBed", "LsfOptions"]
