"""What the two ends of a service know: the service its keys, each caller a pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from crew_core._model.names import token
from crew_core._wire.messages import Part
from crew_core._wire.network.settings import NetworkSettings, ServerIdentity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crew_core._model.network import NetworkOptions

SECRET_VARIABLE = "CREW_SECRET"
TLS_VARIABLE = "CREW_TLS"


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What a caller needs to come in. All but the address is secret.

    Attributes:
        url: where the service is: ``unix://PATH`` or ``tls+tcp://HOST:PORT[,HOST:PORT...]``.
        secret: proves that the caller may.
        identity: the caller's certificate and the service's digest, as text; "" without TLS.

    Example::

        >>> from crew_core.services import Pass
        >>> Pass(url="unix:///run/me", secret="hush")
        Pass(url='unix:///run/me')
    """

    url: str
    secret: str
    identity: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """The variables that bring the secrets to another process, as those of workers come.

        Example::

            >>> from crew_core.services import Pass
            >>> Pass(url="unix:///run/me", secret="hush").environment
            {'CREW_SECRET': 'hush'}
        """
        variables = {SECRET_VARIABLE: self.secret}
        if self.identity:
            variables[TLS_VARIABLE] = self.identity
        return variables

    @classmethod
    def from_environment(cls, url: str, environment: Mapping[str, str]) -> Pass:
        """The pass that another process was given.

        Example::

            >>> from crew_core.services import Pass
            >>> Pass.from_environment("unix:///run/me", {"CREW_SECRET": "hush"}).secret
            'hush'
        """
        return cls(
            url=url,
            secret=environment.get(SECRET_VARIABLE, ""),
            identity=environment.get(TLS_VARIABLE, ""),
        )

    def __repr__(self) -> str:
        return f"Pass(url={self.url!r})"


class _Kept(Part, frozen=True):
    secret: str
    settings: NetworkSettings | None
    identity: str


class ServiceKeys:
    """What a service needs to know its callers, and to be known by them. All of it is secret.

    Kept in a file that nobody else can read, the same keys serve the next process as well: callers
    then come back to it.

    Example::

        >>> from crew_core.services import ServiceKeys
        >>> keys = ServiceKeys.make()
        >>> ServiceKeys.from_bytes(keys.to_bytes()).secret == keys.secret
        True
    """

    def __init__(self, secret: str, settings: NetworkSettings | None, identity: str) -> None:
        self.secret = secret
        self.settings = settings
        self._identity = identity

    @classmethod
    def make(cls, network: NetworkOptions | None = None) -> ServiceKeys:
        """New keys.

        Args:
            network: where the service is to listen for other computers; None: not at all.

        Raises:
            ConfigError: a host or an interface is not there, or a certificate cannot be used.

        Example::

            >>> from crew_core.services import ServiceKeys
            >>> ServiceKeys.make(crew.NetworkOptions(host="127.0.0.1"))
            <keys of a service>
        """
        if network is None:
            return cls(token(16), None, "")
        from crew_core._client.network import Network

        prepared = Network(network, local=False)
        identity = prepared.environment("caller").get(TLS_VARIABLE, "")
        return cls(token(16), prepared.settings, identity)

    @classmethod
    def from_bytes(cls, data: bytes) -> ServiceKeys:
        """The reverse of ``to_bytes``.

        Raises:
            ValueError: the bytes are something else.

        Example::

            >>> from crew_core.services import ServiceKeys
            >>> try:
            ...     ServiceKeys.from_bytes(b"")
            ... except ValueError as error:
            ...     print(error)
            not the keys of a service
        """
        try:
            kept = msgspec.msgpack.decode(data, type=_Kept)
        except msgspec.MsgspecError:
            raise ValueError("not the keys of a service") from None
        return cls(kept.secret, kept.settings, kept.identity)

    def to_bytes(self) -> bytes:
        """All of it, to keep where nobody else can read it.

        Example::

            >>> from crew_core.services import ServiceKeys
            >>> type(ServiceKeys.make().to_bytes()).__name__
            'bytes'
        """
        return msgspec.msgpack.encode(_Kept(self.secret, self.settings, self._identity))

    def at_port(self, port: int) -> ServiceKeys:
        """The same for a service that is to listen on this port.

        Example::

            >>> from crew_core.services import ServiceKeys
            >>> keys = ServiceKeys.make(crew.NetworkOptions(host="127.0.0.1"))
            >>> keys.at_port(50000).settings.port_low
            50000
        """
        if self.settings is None:
            return self
        settings = msgspec.structs.replace(self.settings, port_low=port, port_high=port)
        return ServiceKeys(self.secret, settings, self._identity)

    def pass_to(self, url: str) -> Pass:
        """What a caller needs.

        Example::

            >>> from crew_core.services import ServiceKeys
            >>> ServiceKeys.make().pass_to("unix:///run/me")
            Pass(url='unix:///run/me')
        """
        on_network = not url.startswith("unix://")
        return Pass(url=url, secret=self.secret, identity=self._identity if on_network else "")

    @property
    def server_identity(self) -> ServerIdentity | None:
        """How the service proves who it is; None without TLS.

        Example::

            >>> from crew_core.services import ServiceKeys
            >>> ServiceKeys.make().server_identity is None
            True
        """
        return None if self.settings is None else self.settings.identity

    def __repr__(self) -> str:
        return "<keys of a service>"
