"""How a testbed of SSH hosts is to be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SshBedOptions:
    """What can be chosen.

    Attributes:
        count: hosts, called h1, h2 and so on.
        apart: each is a host of its own, with a network address, processes and /run of its own;
            files are common. Needs root. Else they are addresses of the loopback.
        sessions: MaxSessions: so many channels with a command in one connection.
        seconds_alive: sshd asks so often whether the other side is there, and hangs up after two
            questions without an answer; 0: never.
    """

    count: int = 3
    apart: bool = False
    sessions: int = 10
    seconds_alive: int = 0

    def names(self) -> list[str]:
        """What the hosts are called."""
        return [f"h{number}" for number in range(1, self.count + 1)]
