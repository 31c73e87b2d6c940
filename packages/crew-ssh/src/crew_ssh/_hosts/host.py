"""One host: reached when it is needed, and again after it was lost; all its workers share that."""

from __future__ import annotations

import importlib.metadata
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from crew_ssh._bootstrap.archive import Archives
from crew_ssh._bootstrap.delivery import deliver
from crew_ssh._bootstrap.fitting import Machine
from crew_ssh._connection.connection import Connection, connect
from crew_ssh._connection.errors import SshError
from crew_ssh._connection.login import Ask
from crew_ssh._connection.route import route_to
from crew_ssh._connection.setup import Setup
from crew_ssh._connection.tunnel import Tunnel
from crew_ssh._hosts.command_lines import (
    addresses_of,
    for_host,
    is_worker,
    url_of,
    variables_for_host,
    with_addresses,
)
from crew_ssh._hosts.errand import Errand
from crew_ssh._options.hosts import HostOptions

PATIENCE_SECONDS = 30.0
"""How long the agent may take for what is done at once on an idle host."""

_PROBE_SECONDS = 2.0
_END_SECONDS = 3.0
_PORT_SECONDS = 5.0  # for what served the connection before to let go of its port
_PORT_PAUSE_SECONDS = 0.1
_LOOPBACK = "127.0.0.1"

_archives = Archives()

# A bastion's sshd lets in few at a time: beyond ten it drops some without a word.
_entering = threading.BoundedSemaphore(6)


class Host:
    """One host. May be used on any thread; who needs the connection waits for who makes it.

    Args:
        options: what the user says of it.
        setup: the user's SSH setup.
        tunnel: True, False or "auto".
        run_directory: where workers' files are there; None: the usual place.
        seconds: how long it may take to let us in.
        ask: asks the person at the terminal.
    """

    def __init__(
        self,
        options: HostOptions,
        setup: Setup,
        *,
        tunnel: bool | str,
        run_directory: str | None,
        seconds: float,
        ask: Ask,
    ) -> None:
        self.options = options
        self._setup = setup
        self._wants_tunnel = tunnel
        self._run_directory = run_directory
        self._seconds = seconds
        self._ask = ask
        self._making = threading.RLock()
        self._connection: Connection | None = None
        self._errand: Errand | None = None
        self._tunnels: dict[str, Tunnel] = {}  # by the URL that is dialled here
        self._former: str | None = None  # the connection before this one, as the host knows it
        self._python: str | None = None  # of the environment that was made for us
        self._ready: set[str] = set()  # interpreters that were seen to have crew
        self._ways: dict[str, str] = {}  # what workers dial, by the URL that they are given

    # ── The connection ─────────────────────────────────────────────────────────────────────────

    @property
    def is_up(self) -> bool:
        """True while the connection is believed to work."""
        return (
            self._connection is not None
            and self._connection.is_alive
            and self._errand is not None
            and self._errand.is_alive
        )

    def up(self) -> Errand:
        """The agent there; the host is reached first, if need be.

        Raises:
            SshError: it was not reached.
        """
        with self._making:
            if not self.is_up:
                self._hang_up()
                self._reach()
            assert self._errand is not None
            return self._errand

    def close(self) -> None:
        """Hang up; workers there go on."""
        with self._making:
            self._hang_up()

    @property
    def slots(self) -> int:
        """How many workers it takes at once; asks it, where the user does not say.

        Raises:
            SshError: it was not reached.
        """
        own = self.options.slots
        return int(self.up().hello["cpus"]) if own is None else own

    def _reach(self) -> None:
        route = route_to(self.options.host, self._setup.settings)
        with _entering:
            connection = connect(route, seconds=self._seconds, ask=self._ask)
        try:
            self._errand = Errand(
                lambda command: connection.open_session(command, self._seconds),
                self.options,
                self._run_directory,
                self._seconds,
            )
            self._connection = connection
            if self._former is not None:
                self._errand.ask("end_link", PATIENCE_SECONDS, token=self._former)
            self._former = self._errand.token
            for url, tunnel in list(self._tunnels.items()):
                self._dig_again(connection, url, tunnel)
        except BaseException:
            self._connection = self._errand = None
            connection.close()
            raise

    def _hang_up(self) -> None:
        if self._errand is not None:
            self._errand.close()
        if self._connection is not None:
            self._connection.close()
        self._connection = self._errand = None

    # ── The way back ───────────────────────────────────────────────────────────────────────────

    def way_for(self, url: str) -> str:
        """What workers on this host are to dial, to get to what is dialled here by this URL.

        Raises:
            SshError: there is no way.
        """
        with self._making:
            errand = self.up()
            if url not in self._ways:
                self._ways[url] = self._find_way(errand, url)
            return self._ways[url]

    @property
    def is_passed_through(self) -> bool:
        """True while somebody is connected through a tunnel."""
        return any(tunnel.passing for tunnel in list(self._tunnels.values()))

    def _find_way(self, errand: Errand, url: str) -> str:
        addresses = addresses_of(url)
        if self._wants_tunnel is False:
            return url
        if self._wants_tunnel == "auto":
            abroad = [address for address in addresses if address[0] != _LOOPBACK]
            told = errand.ask("reach", PATIENCE_SECONDS, addresses=abroad, seconds=_PROBE_SECONDS)
            if told:
                return with_addresses(url, [(host, port) for host, port in told])
        assert self._connection is not None
        here = [(_LOOPBACK, port) for port in sorted({port for _, port in addresses})]
        tunnel = self._tunnels[url] = Tunnel(self._connection, [*addresses, *here])
        return with_addresses(url, [(_LOOPBACK, tunnel.port)])

    def _dig_again(self, connection: Connection, url: str, before: Tunnel) -> None:
        """The same port again: the workers there know no other.

        Raises:
            SshError: the connection is gone already.
        """
        deadline = time.monotonic() + _PORT_SECONDS
        while (tunnel := _dug(connection, before)) is None:
            if time.monotonic() > deadline:
                # Somebody else has it by now. Those who look for us there will leave.
                del self._tunnels[url]
                self._ways.pop(url, None)
                return
            time.sleep(_PORT_PAUSE_SECONDS)
        self._tunnels[url] = tunnel

    # ── Workers ────────────────────────────────────────────────────────────────────────────────

    def examine(self) -> dict[str, Any]:
        """What it has for workers.

        Raises:
            SshError: it was not reached, or cannot run workers.
        """
        errand = self.up()
        self._check(errand)
        hello = errand.hello
        python = self._python or str(hello["executable"])
        return {"python": hello["python"], "executable": python, "slots": self.slots}

    def prepare(self, workers: Sequence[Mapping[str, Any]]) -> Errand:
        """Do what may take long before these can be started; the agent.

        Raises:
            SshError: the host was not reached, or cannot run workers.
        """
        errand = self.up()
        if any(is_worker(worker["argv"]) for worker in workers):
            self._check(errand)
        return errand

    def start(self, controller: str, workers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Start workers; for each its process, or that there is no room, or what went wrong.

        Raises:
            SshError: the host was not reached, or cannot run workers.
        """
        errand = self.prepare(workers)
        orders = [self._order(errand, worker) for worker in workers]
        answers: list[dict[str, Any]] = errand.ask(
            "start",
            PATIENCE_SECONDS,
            site=self.options.host,
            controller=controller,
            slots=self.slots,
            workers=orders,
        )
        return answers

    def poll(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """How workers are."""
        return list(self.up().ask("poll", PATIENCE_SECONDS, names=list(names)))

    def end(self, names: Sequence[str]) -> None:
        """End workers, and all that their tasks started."""
        seconds = PATIENCE_SECONDS + 2 * _END_SECONDS
        self.up().ask("end", seconds, names=list(names), seconds_to_leave=_END_SECONDS)

    def output(self, name: str) -> str:
        """The last of what a worker printed."""
        return str(self.up().ask("output", PATIENCE_SECONDS, name=name))

    def mirror(self, known: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
        """What came to workers' logs since."""
        return list(self.up().ask("mirror", PATIENCE_SECONDS, known=known))

    def rows(self) -> list[dict[str, Any]]:
        """All workers of this user there that were started by this name of the host."""
        rows = self.up().ask("rows", PATIENCE_SECONDS)
        return [row for row in rows if row.get("site") == self.options.host]

    def find(self, names: Sequence[str]) -> list[str]:
        """Which of these workers are or were there."""
        site = self.options.host
        return list(self.up().ask("find", PATIENCE_SECONDS, site=site, names=list(names)))

    def _order(self, errand: Errand, worker: Mapping[str, Any]) -> dict[str, Any]:
        argv, name = list(worker["argv"]), str(worker["name"])
        url = url_of(argv)
        log = f"{errand.hello['run_directory']}/workers/{name}/log"
        return {
            "name": name,
            "instance": worker["instance"],
            "argv": for_host(
                argv,
                python=self._python or str(errand.hello["executable"]),
                url=None if url is None else self.way_for(url),
                log=log,
            ),
            "env": variables_for_host(self.options.env, worker["env"]),
            "workdir": self.options.workdir,
        }

    def _check(self, errand: Errand) -> None:
        """Refuse an interpreter that cannot run our workers, before any is started in vain."""
        python, version = str(errand.hello["executable"]), str(errand.hello["python"])
        if python in self._ready:
            return
        ours = f"{sys.version_info.major}.{sys.version_info.minor}"
        host = self.options.host
        if version.rpartition(".")[0] != ours:
            raise SshError(
                f"{host} has Python {version} ({python}), and this controller runs Python {ours}: "
                f"workers need the same. Say where Python {ours} is there by python=, or make it "
                "known by prologue=",
                transient=False,
            )
        own = importlib.metadata.version("crew-core")
        told = self._version(errand, python)
        if told["crew"] is None and self.options.bootstrap:
            archive = _archives.of(Machine.from_hello(errand.hello))
            self._python = deliver(archive, errand.ask, python)
            told = self._version(errand, self._python)
        if told["crew"] is None:
            said = str(told["said"]).strip().rpartition("\n")[2]
            raise SshError(
                f"{host}: {python} cannot import crew_core ({said}). Install it there: "
                f"{python} -m pip install crew-core=={own}; or say bootstrap=True",
                transient=False,
            )
        if told["crew"] != own:
            raise SshError(
                f"{host} has crew-core {told['crew']} for {python}, and this controller {own}: "
                f"install the same there: {python} -m pip install crew-core=={own}",
                transient=False,
            )
        self._ready.add(python)

    def _version(self, errand: Errand, python: str) -> dict[str, Any]:
        """Which crew an interpreter has there."""
        variables = dict(self.options.env)
        told = errand.ask("check", 2 * PATIENCE_SECONDS, python=python, env=variables)
        return dict(told)


def _dug(connection: Connection, before: Tunnel) -> Tunnel | None:
    """A tunnel with the port of an earlier one; None while the host does not give it to us."""
    try:
        return before.again(connection)
    except SshError:
        if not connection.is_alive:
            raise
        return None
