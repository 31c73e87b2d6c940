"""The way back through the connection: what workers dial on their host arrives at the dispatcher.

::

    worker ── host's 127.0.0.1:PORT ══ SSH ══ here ── dispatcher

Bytes are passed on as they are: TLS is between worker and dispatcher.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

from crew_ssh._connection.connection import Connection

_CHUNK_BYTES = 64 * 1024
_CONNECT_SECONDS = 10.0

Address = tuple[str, int]


class Tunnel:
    """A reverse forward on one connection.

    Args:
        connection: to the host.
        targets: where the dispatcher may be found from here; the first that answers.
        port: on the host; 0: any. After a connection has come back, workers look for the port that
            they know.

    Attributes:
        port: where workers find us on their own loopback.
        passing: how many connections go through it.

    Raises:
        SshError: the host does not forward.
    """

    def __init__(self, connection: Connection, targets: Sequence[Address], port: int = 0) -> None:
        self._targets = list(targets)
        self._counting = threading.Lock()
        self.passing = 0
        self.port = connection.forward_port(port, self._accept)

    def again(self, connection: Connection) -> Tunnel:
        """The same on a new connection.

        Raises:
            SshError: the host does not give us the port.
        """
        return Tunnel(connection, self._targets, self.port)

    def _accept(self, channel: Any) -> None:
        threading.Thread(
            target=self._join, args=(channel,), name="crew-ssh-tunnel", daemon=True
        ).start()

    def _join(self, channel: Any) -> None:
        target = self._reach()
        if target is None:
            channel.close()  # the worker sees the end at once, and tries again
            return
        with target, contextlib.closing(channel), self._counted():
            up = threading.Thread(
                target=_pass_on, args=(channel, target), name="crew-ssh-tunnel-up", daemon=True
            )
            up.start()
            _pass_back(target, channel)
            # Whichever side ended, the other has nobody to talk to.
            with contextlib.suppress(OSError):
                target.shutdown(socket.SHUT_RDWR)
            channel.close()
            up.join()

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        with self._counting:
            self.passing += 1
        try:
            yield
        finally:
            with self._counting:
                self.passing -= 1

    def _reach(self) -> socket.socket | None:
        for address in list(self._targets):
            try:
                found = socket.create_connection(address, _CONNECT_SECONDS)
            except OSError:
                continue
            found.settimeout(None)
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # It is the one for the next, too.
            self._targets.remove(address)
            self._targets.insert(0, address)
            return found
        return None


def _pass_on(channel: Any, target: socket.socket) -> None:
    """From the host to the dispatcher."""
    with contextlib.suppress(OSError, EOFError):
        while data := channel.recv(_CHUNK_BYTES):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


def _pass_back(target: socket.socket, channel: Any) -> None:
    """From the dispatcher to the host."""
    with contextlib.suppress(OSError, EOFError):
        while data := target.recv(_CHUNK_BYTES):
            channel.sendall(data)
