"""Prepares a controller's network: addresses found, certificates made, ready for the dispatcher."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

import psutil

from crew_core._model.errors import ConfigError
from crew_core._model.network import (
    Host,
    NetworkOptions,
    advertised_hosts,
    port_range,
    read_certificates,
    read_key,
    read_password,
    security_of,
)
from crew_core._wire.network.settings import (
    TLS_VARIABLE,
    NetworkSettings,
    ServerIdentity,
    WorkerIdentity,
)

_CANDIDATES_MAX = 8
_EVERYWHERE = ("0.0.0.0", "::")
_BRIDGES = ("docker", "br-", "virbr", "veth", "lxc", "lxdbr", "podman", "cni", "flannel")
"""How interfaces are called that lead to containers of this computer, and hardly anywhere else."""


class Network:
    """Where one dispatcher listens, and what each of its workers needs to get in.

    Args:
        options: what the user said.
        local: the workers are on this computer.
        host_default: where to listen if the user does not say, and the workers are elsewhere.

    Raises:
        ConfigError: a host or an interface is not there, or a certificate cannot be used.
    """

    def __init__(
        self, options: NetworkOptions, *, local: bool, host_default: str | None = None
    ) -> None:
        host = _listens_on(options, local=local, host_default=host_default)
        low, high = port_range(options)
        self._prepare(options)
        self.settings = NetworkSettings(host, low, high, _advertised(options, host), self._server)

    def environment(self, instance: str) -> dict[str, str]:
        """The variables that a worker needs besides its one-time secret. They are secret, too."""
        if self._issue is None:
            return {}
        certificate, key = self._issue(instance)
        identity = WorkerIdentity(certificate, key, self._authorities, self._digest)
        return {TLS_VARIABLE: identity.to_text()}

    def _prepare(self, options: NetworkOptions) -> None:
        self._issue: Callable[[str], tuple[bytes, bytes]] | None = None
        self._server: ServerIdentity | None = None
        security = security_of(options)
        if security.mode == "none":
            return
        from crew_core._wire.network.authority import Authority, digest_of

        authority = Authority()
        self._issue = authority.issue_worker
        # Keys and password are in no variable: tools that report errors show those.
        if security.mode == "custom":
            self._authorities = read_certificates(security)
            self._server = ServerIdentity(
                self._authorities,
                read_key(security),
                authority.certificate,
                read_password(security),
            )
        else:
            self._authorities = authority.certificate
            self._server = ServerIdentity(*authority.issue_server(), authority.certificate)
        self._digest = digest_of(self._server.certificates)


def dialled_at(options: NetworkOptions, host_default: str | None) -> tuple[str, ...]:
    """Where workers on other computers are going to dial this one.

    Raises:
        ConfigError: a host or an interface is not there.
    """
    return _advertised(options, _listens_on(options, local=False, host_default=host_default))


def _listens_on(options: NetworkOptions, *, local: bool, host_default: str | None) -> str:
    default = "127.0.0.1" if local else host_default or _EVERYWHERE[0]
    return default if options.host is None else _address("host", options.host)


def _advertised(options: NetworkOptions, host: str) -> tuple[str, ...]:
    given = advertised_hosts(options)
    if given is not None:
        return tuple(_address("host_advertised", entry) for entry in given)
    return _own_addresses(host) if host in _EVERYWHERE else (host,)


def _address(option: str, host: Host) -> str:
    """The address or host name that is meant."""
    if callable(host):
        answer = host()
        if not isinstance(answer, str) or not answer:
            raise ConfigError(
                f"{option}: the function {host!r} returned {answer!r}, not an address"
            )
        host = answer
    interfaces = psutil.net_if_addrs()
    if host in interfaces:
        return _address_of_interface(option, host, interfaces[host])
    if _is_address(host):
        return host
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        raise ConfigError(
            f"{option}={host!r}: neither an address, nor a host that is known here, nor an "
            f"interface. This computer's interfaces: {', '.join(sorted(interfaces))}"
        ) from None
    return host


def _address_of_interface(option: str, name: str, entries: list[psutil._ntp.snicaddr]) -> str:
    for family in (socket.AF_INET, socket.AF_INET6):
        for entry in entries:
            if entry.family == family:
                return str(entry.address)
    raise ConfigError(f"{option}={name!r}: this interface has no address")


def _own_addresses(everywhere: str) -> tuple[str, ...]:
    """The addresses at which others may reach this computer; its own loopback if there is none."""
    families = (
        {socket.AF_INET} if everywhere == _EVERYWHERE[0] else {socket.AF_INET, socket.AF_INET6}
    )
    up = {name for name, stats in psutil.net_if_stats().items() if stats.isup}
    found = [
        ipaddress.ip_address(entry.address)
        for name, entries in sorted(psutil.net_if_addrs().items(), key=_is_bridge)
        for entry in entries
        if name in up and entry.family in families and "%" not in entry.address
    ]
    reachable = [str(a) for a in found if not (a.is_loopback or a.is_link_local)]
    return tuple(reachable[:_CANDIDATES_MAX]) or ("127.0.0.1",)


def _is_bridge(interface: tuple[str, object]) -> bool:
    """True for one that is tried last, as few workers come from there."""
    return interface[0].startswith(_BRIDGES)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
