"""A tunnel's port after its connection has come back: the workers there know no other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from crew_ssh._connection.connection import Connection
from crew_ssh._connection.errors import SshError
from crew_ssh._connection.setup import Setup
from crew_ssh._connection.tunnel import Tunnel
from crew_ssh._hosts import host as hosts
from crew_ssh._hosts.host import Host
from crew_ssh._options.hosts import HostOptions

URL = "tls+tcp://127.0.0.1:9"


class Forwarding:
    """A connection whose host refuses a port some times before it gives it."""

    def __init__(self, refusals: float, *, is_alive: bool = True) -> None:
        self.refusals = refusals
        self.is_alive = is_alive

    def forward_port(self, port: int, accept: Callable[[Any], None]) -> int:
        if self.refusals > 0:
            self.refusals -= 1
            raise SshError("does not forward its port", transient=True)
        return port or 4711


class Clock:
    """Time passes as somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host with a tunnel, whose connection has just come back."""
    monkeypatch.setattr(hosts, "time", Clock())
    host = Host(
        HostOptions(host="h1"),
        Setup(),
        tunnel=True,
        run_directory=None,
        seconds=1,
        ask=lambda _question, _hidden: None,
    )
    host._tunnels[URL] = Tunnel(cast(Connection, Forwarding(0)), [("127.0.0.1", 9)])
    host._ways[URL] = "tls+tcp://127.0.0.1:4711"
    return host


def dig(host: Host, connection: Forwarding) -> None:
    host._dig_again(cast(Connection, connection), URL, host._tunnels[URL])


def test_it_is_asked_for_until_who_had_it_before_lets_go(host: Host) -> None:
    before = host._tunnels[URL]
    dig(host, Forwarding(20))
    assert host._tunnels[URL] is not before
    assert host._tunnels[URL].port == 4711


def test_it_is_given_up_when_somebody_else_keeps_it(host: Host) -> None:
    dig(host, Forwarding(float("inf")))
    assert (host._tunnels, host._ways) == ({}, {})


def test_it_is_kept_for_the_next_connection_when_this_one_breaks(host: Host) -> None:
    with pytest.raises(SshError):
        dig(host, Forwarding(1, is_alive=False))
    assert host._tunnels[URL].port == 4711
