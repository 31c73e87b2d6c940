"""One connection to a host, over however many jumps: dialled, proved, watched, shared by all.

::

    this computer ──TCP── bastion ──channel── host
                  └ dies with its socket    └ dies unseen: hence the watchdog
"""

from __future__ import annotations

import contextlib
import logging
import shlex
import socket
import threading
from collections.abc import Callable, Sequence
from typing import Any

import paramiko

from crew_ssh._connection.errors import SshError
from crew_ssh._connection.host_keys import KnownHosts
from crew_ssh._connection.login import Ask, Login
from crew_ssh._connection.settings import Settings, expand_command
from crew_ssh._connection.watchdog import Watchdog

# What hosts do is told by our own errors; paramiko would print tracebacks of its threads.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False

_WINDOW_BYTES = 4 << 20
_DEAD_SECONDS = 15.0


class Connection:
    """A host that let us in.

    Args:
        transports: of the jumps, nearest first, and of the host itself, last.
        settings: of the host.
    """

    def __init__(self, transports: Sequence[Any], settings: Settings) -> None:
        self.settings = settings
        self._transports = list(transports)
        self._transport = transports[-1]
        # paramiko has one place for the answer to all requests that concern no channel.
        self.requests = threading.Lock()
        self._accepting: dict[int, Callable[[Any], None]] = {}  # by port there
        self._watchdog = Watchdog(self._transport, self.requests, _DEAD_SECONDS)
        self._watchdog.start()

    @property
    def is_alive(self) -> bool:
        """True while it is believed to work."""
        return bool(self._transport.is_active())

    def open_session(self, command: str, seconds: float) -> Any:
        """Run a command of the user's login shell; its channel.

        Raises:
            SshError: the host gives no session, or the connection broke.
        """
        try:
            channel = self._transport.open_session(timeout=seconds)
            channel.settimeout(seconds)
            channel.exec_command(command)
            channel.settimeout(None)
        except paramiko.ChannelException as refusal:
            raise SshError(
                f"{self.settings.alias} gives us no session ({refusal.text}): its sshd may not "
                "allow any, or MaxSessions is 0",
                transient=True,
            ) from None
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise SshError(_broke(self.settings, error), transient=True) from error
        return channel

    def forward_port(self, port: int, accept: Callable[[Any], None]) -> int:
        """Have the host listen on its own loopback, and give us what connects there.

        Args:
            port: where; 0: any free port, chosen by the host.
            accept: told the channel of each connection, on paramiko's thread: it must not block.

        Returns:
            The port there.

        Raises:
            SshError: the host does not.
        """
        try:
            with self.requests:
                given = self._transport.request_port_forward("127.0.0.1", port, self._came)
                found = int(given) or port
                self._accepting[found] = accept
                return found
        except (paramiko.SSHException, OSError, EOFError) as error:
            where = f"its port {port}" if port else "a port"
            raise SshError(
                f"{self.settings.alias} does not forward {where} to us: {error}. Its sshd may say "
                "AllowTcpForwarding no: then use tunnel=False, where the host can reach this "
                "computer",
                transient=port != 0,
            ) from error

    def _came(self, channel: Any, _origin: object, there: tuple[str, int]) -> None:
        """Paramiko has one place for what comes through all ports."""
        accept = self._accepting.get(there[1])
        if accept is None:
            channel.close()
        else:
            accept(channel)

    def close(self) -> None:
        """Hang up, on the jumps too."""
        self._watchdog.stop()
        for transport in reversed(self._transports):
            with contextlib.suppress(Exception):  # threads of paramiko's may be at work on it
                transport.close()


def connect(route: Sequence[Settings], *, seconds: float, ask: Ask) -> Connection:
    """Reach a host, and be let in.

    Args:
        route: the hosts to go through, and the host itself, last.
        seconds: how long each of them may take.
        ask: asks the person at the terminal.

    Raises:
        SshError: it was not reached, is not who it should be, or does not let us in.
    """
    transports: list[Any] = []
    try:
        for settings in route:
            way = _dial(settings, transports[-1] if transports else None, seconds)
            transports.append(_enter(way, settings, seconds, ask))
    except BaseException:
        for transport in reversed(transports):
            transport.close()
        raise
    return Connection(transports, route[-1])


def _dial(settings: Settings, before: Any | None, seconds: float) -> Any:
    """Something that works like a socket, whose other end is the host's sshd."""
    try:
        if before is not None:
            there = (settings.hostname, settings.port)
            return before.open_channel("direct-tcpip", there, ("127.0.0.1", 0), timeout=seconds)
        if settings.proxy_command is not None:
            command = "exec " + expand_command(settings.proxy_command, settings)
            return paramiko.ProxyCommand(shlex.join(["/bin/sh", "-c", command]))
        plain = socket.create_connection((settings.hostname, settings.port), seconds)
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise SshError(_not_reached(settings, error), transient=True) from error
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        # What is sent and not acknowledged: TCP alone would hope for a quarter of an hour.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(_DEAD_SECONDS * 1000))
    return plain


def _enter(way: Any, settings: Settings, seconds: float, ask: Ask) -> Any:
    known = KnownHosts(settings)
    transport = None
    try:
        transport = paramiko.Transport(
            way, default_window_size=_WINDOW_BYTES, disabled_algorithms=None
        )
        transport.banner_timeout = transport.auth_timeout = seconds
        transport.handshake_timeout = seconds
        _prefer(transport, known.algorithms)
        transport.start_client(timeout=seconds)
        key = transport.get_remote_server_key()
        known.check(key.get_name(), key.asbytes())
        Login(transport, settings, ask).run()
    except BaseException as error:
        if transport is not None:
            transport.close()
        with contextlib.suppress(Exception):
            way.close()
        if isinstance(error, (paramiko.SSHException, OSError, EOFError)):
            raise SshError(_not_reached(settings, error), transient=True) from error
        raise
    return transport


def _prefer(transport: Any, algorithms: Sequence[str]) -> None:
    """Ask the host to show a key of a kind that is known, if it has several."""
    options = transport.get_security_options()
    possible = list(options.key_types)
    first = [name for name in algorithms if name in possible]
    options.key_types = [*first, *(name for name in possible if name not in first)]


def _not_reached(settings: Settings, error: BaseException) -> str:
    place = f"{settings.hostname}:{settings.port}"
    alias = "" if settings.alias == settings.hostname else f" ({settings.alias})"
    why = str(error) or type(error).__name__
    return f"cannot reach {place}{alias} by SSH: {why}"


def _broke(settings: Settings, error: BaseException) -> str:
    return f"the connection to {settings.alias} broke: {str(error) or type(error).__name__}"
