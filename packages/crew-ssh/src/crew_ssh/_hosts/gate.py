"""A login node: runs others' commands there, and lets workers of nodes behind it come back.

::

    worker ── login node's address: relay ── its 127.0.0.1:PORT ══ SSH ══ here ── dispatcher

sshd listens on the login node's loopback only, unless its administrator has it do otherwise; so the
agent listens where nodes reach it, and passes bytes on. TLS is between worker and dispatcher.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from crew_ssh._connection.errors import SshError
from crew_ssh._hosts.command_lines import addresses_of, with_addresses
from crew_ssh._hosts.errand import Errand
from crew_ssh._hosts.host import PATIENCE_SECONDS, Host

log = logging.getLogger("crew")

IDLE_SECONDS = 3600.0
"""A gate that nobody has used and nobody has come through for so long is needed no more.

Jobs that wait in a queue know its address, and are asked for less often than seconds pass.
"""

_LOOK_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 15.0
_PROBE_SECONDS = 2.0
_LOOPBACK = "127.0.0.1"


class Gate:
    """A login node.

    Args:
        host: the login node; its tunnel is the way back.
        tunnel: True, False or "auto".
        relay_address: where the relay listens; None: on all addresses.
        clock: monotonic.
    """

    def __init__(
        self,
        host: Host,
        *,
        tunnel: bool | str,
        relay_address: str | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host = host
        self._tunnel = tunnel
        self._relay_address = relay_address
        self._clock = clock
        self._lock = threading.Lock()
        self._errand: Errand | None = None
        self._ways: dict[str, str] = {}
        self._relays: dict[str, int] = {}  # where relays listen, by what is dialled here
        self._used_at = clock()
        self._closed = threading.Event()

    @property
    def deeds(self) -> Mapping[str, Callable[..., Any]]:
        """What can be asked for."""
        return {"run": self.run, "way_back": self.way_back}

    @property
    def is_idle(self) -> bool:
        """True when nobody needs it."""
        if self._host.is_passed_through:
            self._used_at = self._clock()
        return self._clock() - self._used_at > IDLE_SECONDS

    def watch(self) -> None:
        """Keep the way back open from now on, on a thread of its own."""
        threading.Thread(target=self._run, name="crew-ssh-gate", daemon=True).start()

    def run(
        self, argv: Sequence[str], stdin: str, env: Mapping[str, str] | None, seconds: float
    ) -> dict[str, Any]:
        """Run a command there; what came of it, or that this is not known.

        Raises:
            SshError: it was not run.
        """
        self._used_at = self._clock()
        errand = self._host.up()
        own = dict(self._host.options.env)
        variables = None if env is None else {**env, **own}
        try:
            told = errand.ask(
                "run",
                seconds + PATIENCE_SECONDS,
                argv=list(argv),
                stdin=stdin,
                env=variables,
                more=own,
                seconds=seconds,
            )
        except SshError as error:
            if not error.transient:
                raise
            return {"lost": str(error)}
        finally:
            self._used_at = self._clock()
        return dict(told)

    def way_back(self, url: str) -> str:
        """What workers on nodes behind it are to dial.

        Raises:
            SshError: there is no way.
        """
        self._used_at = self._clock()
        with self._lock:
            errand = self._keep_relays()
            if url not in self._ways:
                self._ways[url] = self._find_way(errand, url)
            return self._ways[url]

    def close(self) -> None:
        """Hang up."""
        self._closed.set()
        self._host.close()

    def _find_way(self, errand: Errand, url: str) -> str:
        if self._tunnel is False:
            return url
        direct: list[tuple[str, int]] = []
        if self._tunnel == "auto":
            abroad = [address for address in addresses_of(url) if address[0] != _LOOPBACK]
            told = errand.ask("reach", PATIENCE_SECONDS, addresses=abroad, seconds=_PROBE_SECONDS)
            direct = [(host, port) for host, port in told]
        relay = self._relay(errand, url, 0)
        self._relays[url] = int(relay["port"])
        through = [(str(host), int(relay["port"])) for host in relay["addresses"]]
        return with_addresses(url, [*direct, *through])

    def _keep_relays(self) -> Errand:
        """The agent, with relays that its predecessor had: nodes' workers know no others."""
        errand = self._host.up()
        if errand is not self._errand:
            for url, listening in self._relays.items():
                self._relay(errand, url, listening)
            self._errand = errand
        return errand

    def _relay(self, errand: Errand, url: str, listening: int) -> dict[str, Any]:
        ((_, port),) = addresses_of(self._host.way_for(url))  # of the tunnel, where it is now
        told = errand.ask(
            "relay", PATIENCE_SECONDS, to=port, port=listening, address=self._relay_address
        )
        return dict(told)

    def _run(self) -> None:
        pause = _LOOK_SECONDS
        while not self._closed.wait(pause):
            if not self._relays:
                continue
            try:
                with self._lock:
                    self._keep_relays()
                pause = _LOOK_SECONDS
            except SshError as error:
                log.debug("%s", error)
                pause = min(_LONGEST_PAUSE_SECONDS, 2 * pause)
