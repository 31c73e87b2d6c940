"""Takes in workers of other nodes, and passes their bytes on to a port of this host's loopback."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import threading
import time
from typing import Any

_CHUNK_BYTES = 64 * 1024
_BACKLOG = 512
_CONNECT_SECONDS = 10.0
_PORT_SECONDS = 5.0
_PORT_PAUSE_SECONDS = 0.05
_LOOPBACK = "127.0.0.1"
_SIOCGIFADDR = 0x8915

_relays: dict[int, socket.socket] = {}


def relay(to: int, port: int, address: str | None) -> dict[str, Any]:
    """Pass on what connects here; once for each port of the loopback.

    Args:
        to: the port of the loopback.
        port: where to listen; 0: any.
        address: where to listen; None: on all addresses.

    Returns:
        The port, and the addresses by which nodes may find this host.
    """
    if to not in _relays:
        listener = _relays[to] = _listen(address or "0.0.0.0", port)
        threading.Thread(target=_take_in, args=(listener, to), daemon=True).start()
    listening = _relays[to].getsockname()[1]
    return {"port": listening, "addresses": [address] if address else own_addresses()}


def _listen(address: str, port: int) -> socket.socket:
    deadline = time.monotonic() + _PORT_SECONDS
    while True:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address, port))
            listener.listen(_BACKLOG)
        except OSError as error:
            listener.close()
            # The agent before us, whose connection has broken, may not have ended yet.
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise
            time.sleep(_PORT_PAUSE_SECONDS)
        else:
            return listener


def own_addresses() -> list[str]:
    """This host's addresses, that of its name first; its loopback only if there is no other."""
    found: list[str] = []
    with contextlib.suppress(OSError):
        found += [
            str(entry[4][0])
            for entry in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
        ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError, ImportError):
                found.append(_address_of(probe, name))
    abroad = [each for each in dict.fromkeys(found) if not each.startswith("127.")]
    return abroad or [_LOOPBACK]


def _address_of(probe: socket.socket, interface: str) -> str:
    import fcntl

    packed = struct.pack("256s", interface.encode()[:15])
    return socket.inet_ntoa(fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, packed)[20:24])


def _take_in(listener: socket.socket, to: int) -> None:
    while True:
        try:
            worker, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_join, args=(worker, to), daemon=True).start()


def _join(worker: socket.socket, to: int) -> None:
    try:
        home = socket.create_connection((_LOOPBACK, to), _CONNECT_SECONDS)
    except OSError:
        worker.close()  # it sees the end at once, and tries again
        return
    with worker, home:
        home.settimeout(None)
        for end in (worker, home):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        up = threading.Thread(target=_pass_on, args=(worker, home), daemon=True)
        up.start()
        _pass_on(home, worker)
        up.join()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK_BYTES):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
