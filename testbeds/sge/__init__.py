"""Grid Engine 8.1.9 from Debian's packages, unpacked beside whatever is installed."""

from testbeds.sge.bed import SgeBed
from testbeds.sge.options import SgeOptions

__all__ = ["SgeBed", "SgeOptions"]
