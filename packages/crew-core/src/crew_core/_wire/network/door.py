"""Opens the TCP port that a dispatcher listens on."""

from __future__ import annotations

import socket

_BACKLOG = 1024


class PortError(Exception):
    """No port could be opened. The text is for the user."""


def open_door(host: str, low: int, high: int) -> socket.socket:
    """A listening socket on the first free port from ``low`` to ``high``; zero: any free port.

    Raises:
        PortError: there is none, or the host is not one of this computer's addresses.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, low, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise PortError(f"cannot listen on host={host!r}: {error.strerror}") from None
    reason = ""
    for port in range(low, high + 1):
        door = socket.socket(family, socket.SOCK_STREAM)
        try:
            _listen(door, (address[0], port, *address[2:]))
        except OSError as error:
            door.close()
            reason = error.strerror or str(error)
        else:
            return door
    where = f"port {low}" if low == high else f"any of the ports {low} to {high}"
    raise PortError(
        f"cannot listen on {where} of {host}: {reason}. Choose another host= or port=; a range "
        'such as port="50000-50100" takes the first that is free, port=None any'
    )


def _listen(door: socket.socket, address: tuple[str | int, ...]) -> None:
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if door.family == socket.AF_INET6:
        # The address of all interfaces, "::", means those of IPv4 too.
        door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    door.bind(address)
    door.listen(_BACKLOG)
    door.setblocking(False)


def join_address(host: str, port: int) -> str:
    """Host and port as in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def make_url(hosts: tuple[str, ...], port: int, *, tls: bool) -> str:
    """What a worker is told: all addresses of its dispatcher, the most likely first."""
    scheme = "tls+tcp" if tls else "tcp"
    return f"{scheme}://" + ",".join(join_address(host, port) for host in hosts)


def split_url(url: str) -> list[tuple[str, int]]:
    """The addresses in a URL of ``make_url``.

    Raises:
        ValueError: it is none.
    """
    addresses = []
    for part in url.partition("://")[2].split(","):
        host, colon, port = part.rpartition(":")
        if not (host and colon and port.isdecimal()):
            raise ValueError(f"{url!r} is not of the form tls+tcp://HOST:PORT[,HOST:PORT...]")
        addresses.append((host.strip("[]"), int(port)))
    return addresses
