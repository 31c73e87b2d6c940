"""What a carrier is told first: hosts for workers, or a login node; and how to deal with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from crew_ssh._connection.login import Ask
from crew_ssh._connection.setup import Setup
from crew_ssh._hosts.gate import Gate
from crew_ssh._hosts.host import Host
from crew_ssh._hosts.yard import Yard
from crew_ssh._options.hosts import HostOptions


class Site(Protocol):
    """What a carrier looks after."""

    @property
    def deeds(self) -> Mapping[str, Callable[..., Any]]:
        """What can be asked for."""

    @property
    def is_idle(self) -> bool:
        """True when nobody needs it."""

    def watch(self) -> None:
        """Begin to look after everything, on a thread of its own."""

    def close(self) -> None:
        """Hang up everywhere."""


def make_site(told: dict[str, Any], ask: Ask) -> Site:
    """What was told."""
    setup = Setup.of_user(told["ssh_config"])
    hosts = {}
    for table in told["hosts"]:
        options = HostOptions(**table)
        hosts[options.host] = Host(
            options,
            setup,
            tunnel=told["tunnel"],
            run_directory=told["run_directory"],
            seconds=told["seconds_connect"],
            ask=ask,
        )
    if "gate" in told:
        (host,) = hosts.values()
        return Gate(host, **told["gate"])
    return Yard(hosts, pack=told["pack"])
