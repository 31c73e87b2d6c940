"""Hosts reached by SSH: OpenSSH's sshd on loopback addresses, or on hosts of their own."""

from testbeds.ssh.bed import SshBed
from testbeds.ssh.options import SshBedOptions

__all__ = ["SshBed", "SshBedOptions"]
