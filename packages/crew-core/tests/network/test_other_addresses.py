"""Workers on a host of their own, with another address than the controller's."""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

import crew_core as crew
from crew_core._client import network
from crew_core._launcher.local import LocalHandle, LocalLauncher
from crew_core._model.names import token
from crew_core.plugins import JobState, Launcher, LaunchRequest, WorkerLaunch

SECONDS = 60.0


@dataclass(frozen=True)
class Host:
    """A network of its own, and the interface by which it and the controller reach each other.

    Attributes:
        network: the beginning of their addresses, not the same for two tests at a time.
    """

    name: str
    interface: str
    network: str

    @property
    def ours(self) -> str:
        return f"{self.network}.1"

    @property
    def theirs(self) -> str:
        return f"{self.network}.2"

    @property
    def nobodys(self) -> str:
        return f"{self.network}.9"


@pytest.fixture
def host() -> Iterator[Host]:
    """Another host, as far as the network is concerned."""
    ip = shutil.which("ip")
    if sys.platform != "linux" or os.getuid() != 0 or ip is None:
        pytest.skip("a network of its own takes Linux, root and the program ip")
    network = f"10.{random.randrange(200, 250)}.{random.randrange(256)}"
    host = Host(f"crew-{token(3)}", f"cr{token(3)}", network)
    inside = f"{host.interface}b"

    def run(*arguments: str) -> None:
        subprocess.run([ip, *arguments], check=True, capture_output=True)

    try:
        run("netns", "add", host.name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this system has no networks of their own: {error.stderr.decode().strip()}")
    try:
        run("link", "add", host.interface, "type", "veth", "peer", "name", inside)
        run("link", "set", inside, "netns", host.name)
        run("addr", "add", f"{host.ours}/24", "dev", host.interface)
        run("link", "set", host.interface, "up")
        run("-n", host.name, "addr", "add", f"{host.theirs}/24", "dev", inside)
        run("-n", host.name, "link", "set", inside, "up")
        yield host
    finally:
        run("netns", "delete", host.name)  # and with it both interfaces


class Elsewhere(Launcher):
    """Starts workers on that host."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host
        self._inner = LocalLauncher()

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        there = ("ip", "netns", "exec", self._host.name)
        workers = tuple(
            WorkerLaunch(
                worker=w.worker,
                instance=w.instance,
                name=w.name,
                argv=(*there, *w.argv),
                env=w.env,
                log=w.log,
            )
            for w in request.workers
        )
        return self._inner.launch(LaunchRequest(workers=workers))

    def terminate(self, handles: Sequence[LocalHandle]) -> None:
        self._inner.terminate(handles)

    def poll(self, handles: Sequence[LocalHandle]) -> list[JobState]:
        return self._inner.poll(handles)


ADDRESS = "__import__('socket').create_connection(('{}', {})).getsockname()[0]"


def where_it_runs(controller: crew.Controller, ours: str) -> str:
    """The address from which a task reaches the controller's host."""
    with socket.create_server((ours, 0)) as door:
        text = ADDRESS.format(*door.getsockname())
        return str(controller.push(text).result(SECONDS))


@pytest.mark.parametrize(
    "make_options",
    [
        lambda host: {},
        lambda host: {"host": host.interface},
        lambda host: {"host_advertised": host.interface},
        lambda host: {
            "host": "0.0.0.0",
            "host_advertised": [host.nobodys, "127.0.0.1", host.ours],
        },
    ],
    ids=["all interfaces", "one interface", "an advertised one", "the last of several"],
)
def test_workers_of_another_host_find_the_way(
    host: Host, controller_name: str, make_options: Callable[[Host], dict[str, Any]]
) -> None:
    options = make_options(host)
    with crew.controller(Elsewhere(host), name=controller_name, **options) as controller:
        assert where_it_runs(controller, host.ours) == host.theirs


def test_bridges_of_containers_are_tried_last(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = {
        "docker0": "172.17.0.1",
        "virbr0": "192.168.122.1",
        "eth0": "192.0.2.7",
        "ib0": "10.1.0.7",
        "lo": "127.0.0.1",
    }
    entries = {
        name: [SimpleNamespace(family=socket.AF_INET, address=address)]
        for name, address in addresses.items()
    }
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: entries)
    up = dict.fromkeys(addresses, SimpleNamespace(isup=True))
    monkeypatch.setattr(psutil, "net_if_stats", lambda: up)
    found = network.Network(crew.NetworkOptions(tls="automatic"), local=False).settings.advertised
    assert found == ("192.0.2.7", "10.1.0.7", "172.17.0.1", "192.168.122.1")
