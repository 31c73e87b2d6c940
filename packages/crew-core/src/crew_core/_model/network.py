"""The options of connections over a network: where to listen, what workers dial, how it is secured.

A controller whose launcher starts workers on this computer uses no network unless one of these
options is given.
"""

from __future__ import annotations

import datetime
import os
import re
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from crew_core._model.errors import ConfigError, InsecureWarning

Host = str | Callable[[], str]
TlsMode = Literal["none", "automatic", "custom"]

_MODES = ("none", "automatic", "custom")
_PORT_MAX = 65535
# Compiled when they are used: most controllers have no network.
_RANGE = r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?"
_CERTIFICATE = rb"(?s)-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----"
_KEY = rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"


@dataclass(frozen=True, kw_only=True)
class TlsOptions:
    """How connections over a network are secured.

    Whatever the mode but "none", every worker shows a certificate that the controller made for it
    alone, and a secret that works once.

    Attributes:
        mode: "automatic": the dispatcher's certificate is made by the controller, too. "custom": it
            is yours. "none": plain TCP, where others on the network can read and change everything.
        key: custom only: file of the private key, PEM.
        certificates: custom only: files of certificates, PEM: the dispatcher's own first, then
            those that vouch for it, up to the last that workers are to trust.
        password: custom only: of the key; or a function without arguments that returns it.

    Example::

        >>> import crew_core as crew
        >>> with crew.controller("local", tls=crew.TlsOptions(mode="automatic")) as controller:
        ...     controller.submit(sum, [1, 2]).result()
        3
    """

    mode: TlsMode = "automatic"
    key: str | Path | None = None
    certificates: str | Path | Sequence[str | Path] = ()
    password: str | Callable[[], str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.mode not in _MODES:
            raise ConfigError(f"tls={self.mode!r}: must be one of {', '.join(_MODES)}")
        if self.mode != "custom":
            if self.key is not None or certificate_files(self) or self.password is not None:
                raise ConfigError(
                    f"tls mode {self.mode!r} takes no key, certificates or password: mode 'custom' "
                    "does"
                )
            return
        if self.key is None or not certificate_files(self):
            raise ConfigError(
                "tls mode 'custom' needs your key and certificates: "
                'tls=crew.TlsOptions(mode="custom", key="server.key", certificates=["server.pem", '
                '"authority.pem"])'
            )
        if not (self.password is None or isinstance(self.password, str) or callable(self.password)):
            raise TypeError(
                "password: must be text, a function that returns text, or None, not "
                f"{type(self.password).__name__}"
            )
        read_certificates(self)
        read_key(self)
        _try_out(self, self.key)


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """Where the dispatcher listens for workers of other computers.

    Attributes:
        host: the address to listen on: an address, a host's name, an interface's name such as
            "ib0", or a function without arguments that returns one. None: all interfaces, or no
            network at all for a launcher whose workers are on this computer.
        host_advertised: what workers dial: one such host or several, which they try in turn; None:
            ``host``, or the addresses of all interfaces when it is to listen on all.
        port: a port, a range such as "50000-50100" or (50000, 50100) of which the first free one is
            taken; None or 0: any free port.
        tls: a mode ("automatic", "none"), ``TlsOptions``, or a table of its fields; None:
            "automatic".

    Example::

        >>> import crew_core as crew
        >>> crew.NetworkOptions(host="127.0.0.1", port="50000-50100").port
        '50000-50100'
    """

    host: Host | None = None
    host_advertised: Host | Sequence[Host] | None = None
    port: int | str | Sequence[int] | None = None
    tls: TlsMode | TlsOptions | Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.tls, Mapping):  # it may hold a password, which would show
            object.__setattr__(self, "tls", _from_table(self.tls))
        if self.host is not None:
            _check_host("host", self.host)
        hosts = advertised_hosts(self)
        if hosts == []:
            raise ConfigError("host_advertised=[]: must name a host that workers can dial")
        for host in hosts or ():
            _check_host("host_advertised", host)
        port_range(self)
        if security_of(self).mode == "none":
            warnings.warn(
                InsecureWarning(
                    "tls='none': whoever can reach the port of this controller's dispatcher, or "
                    "listen on the way, can read tasks and results and run code as you. Leave tls "
                    "out unless nobody else is on this network"
                ),
                stacklevel=_callers_level(),
            )


def is_wanted(options: NetworkOptions) -> bool:
    """True when any of the options was given."""
    given = (options.host, options.host_advertised, options.port, options.tls)
    return any(option is not None for option in given)


def advertised_hosts(options: NetworkOptions) -> list[Host] | None:
    """What workers dial, as a list; None: it follows from ``host``."""
    given = options.host_advertised
    if given is None:
        return None
    return [given] if isinstance(given, str) or callable(given) else list(given)


def port_range(options: NetworkOptions) -> tuple[int, int]:
    """The lowest and the highest port that may be taken; both zero: any."""
    low, high = _range_of(options.port)
    if not 0 <= low <= high <= _PORT_MAX or (low == 0 and high):
        raise ConfigError(
            f"port={options.port!r}: must be a port from 1 to {_PORT_MAX}, a range such as "
            '"50000-50100", or 0 or None for any free port'
        )
    return low, high


def security_of(options: NetworkOptions) -> TlsOptions:
    """What ``tls`` stands for."""
    if options.tls is None:
        return TlsOptions()
    if isinstance(options.tls, TlsOptions):
        return options.tls
    if isinstance(options.tls, str):
        return TlsOptions(mode=options.tls)
    raise TypeError(
        f"tls={options.tls!r}: must be a mode, TlsOptions or None, not {type(options.tls).__name__}"
    )


def _from_table(table: Mapping[str, Any]) -> TlsOptions:
    unknown = sorted(set(table) - {"mode", "key", "certificates", "password"})
    if unknown:
        raise ConfigError(
            f"tls: unknown key {unknown[0]!r}. Valid: mode, key, certificates, password"
        )
    return TlsOptions(**{"mode": "custom", **table})


def certificate_files(tls: TlsOptions) -> list[Path]:
    """The files of ``certificates``."""
    given = tls.certificates
    return [Path(given)] if isinstance(given, str | Path) else [Path(file) for file in given]


def read_certificates(tls: TlsOptions) -> bytes:
    """All certificates, PEM, without what else the files hold."""
    found = []
    for file in certificate_files(tls):
        content = _read("certificates", file)
        blocks: list[bytes] = re.findall(_CERTIFICATE, content)
        if not blocks:
            raise ConfigError(f"certificates: {file} holds no certificate in PEM format")
        found += blocks
    return b"\n".join(found) + b"\n"


def read_key(tls: TlsOptions) -> bytes:
    """The private key, PEM, encrypted if the file is."""
    assert tls.key is not None
    content = _read("key", Path(tls.key))
    if not re.search(_KEY, content):
        raise ConfigError(f"key: {tls.key} holds no private key in PEM format")
    return content


def read_password(tls: TlsOptions) -> str | None:
    """The key's password."""
    return tls.password() if callable(tls.password) else tls.password


def _try_out(tls: TlsOptions, key: str | Path) -> None:
    import ssl

    first = certificate_files(tls)[0]
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # A function: given None, OpenSSL would ask at the terminal.
        context.load_cert_chain(first, key, password=lambda: read_password(tls) or "")
    except ssl.SSLError as error:
        raise ConfigError(
            f"key {key} cannot be used with certificate {first}: {error.reason or error}. Is "
            "it this certificate's, and is the password right?"
        ) from None
    _refuse_expired(tls)


def _refuse_expired(tls: TlsOptions) -> None:
    from cryptography import x509

    first = x509.load_pem_x509_certificates(read_certificates(tls))[0]
    began, ended = first.not_valid_before_utc, first.not_valid_after_utc
    now = datetime.datetime.now(datetime.timezone.utc)
    if ended < now:
        raise ConfigError(
            f"certificates: {certificate_files(tls)[0]} expired on {ended:%Y-%m-%d}; workers would "
            "not accept it. Renew it"
        )
    if now < began:
        raise ConfigError(
            f"certificates: {certificate_files(tls)[0]} is not valid before {began:%Y-%m-%d %H:%M} "
            "(UTC); workers would not accept it. Wait, or set this computer's clock"
        )


def _range_of(port: object) -> tuple[int, int]:
    if port is None:
        return 0, 0
    if isinstance(port, int) and not isinstance(port, bool):
        return port, port
    if isinstance(port, str):
        match = re.fullmatch(_RANGE, port)
        return (int(match[1]), int(match[2] or match[1])) if match else (-1, -1)
    if isinstance(port, Sequence) and all(type(end) is int for end in port):
        return (port[0], port[1]) if len(port) == 2 else (-1, -1)
    raise TypeError(f"port={port!r}: must be a port, a range or None, not {type(port).__name__}")


def _check_host(option: str, host: object) -> None:
    if callable(host):
        return
    if not isinstance(host, str):
        raise TypeError(
            f"{option}={host!r}: must be an address, the name of a host or of an interface, or a "
            f"function that returns one, not {type(host).__name__}"
        )
    if not host or not set(host).isdisjoint(" ,/\t\n"):
        raise ConfigError(
            f"{option}={host!r}: must be an address or the name of a host or of an interface"
        )


def _read(option: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{option}: cannot read {os.fspath(file)}: {error.strerror}") from None


def _callers_level() -> int:
    """The stack level, for ``warnings``, of the nearest code that is not ours."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals["__name__"].partition(".")[0] == "crew_core":
        level, frame = level + 1, frame.f_back
    return level
