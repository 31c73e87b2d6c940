"""What dispatcher and worker are told about the network, by ways that others cannot read."""

from __future__ import annotations

import base64

import msgspec

from crew_core._wire.messages import Part

TLS_VARIABLE = "CREW_TLS"
"""The environment variable that brings a worker its ``WorkerIdentity``."""


class ServerIdentity(Part, frozen=True):
    """How the dispatcher proves who it is, and how it knows its workers. All are PEM."""

    certificates: bytes  # its own first, then those that vouch for it
    key: bytes
    workers_authority: bytes  # signed all workers' certificates
    password: str | None = None  # of the key

    def __repr__(self) -> str:
        return "ServerIdentity(***)"


class NetworkSettings(Part, frozen=True):
    """Where the dispatcher listens. It reads this from its standard input."""

    host: str
    port_low: int
    port_high: int  # both zero: any free port
    advertised: tuple[str, ...]  # hosts that workers dial, the most likely first
    identity: ServerIdentity | None  # None: no TLS


class WorkerIdentity(Part, frozen=True):
    """How a worker proves who it is, and how it knows its dispatcher. PEM, but for the digest."""

    certificate: bytes
    key: bytes
    server_authorities: bytes  # vouch for the dispatcher's certificate
    server_digest: bytes  # SHA-256 of that certificate

    def __repr__(self) -> str:
        return "WorkerIdentity(***)"

    def to_text(self) -> str:
        """Letters, digits, hyphens and underscores, for an environment variable."""
        return base64.urlsafe_b64encode(msgspec.msgpack.encode(self)).decode().rstrip("=")

    @classmethod
    def from_text(cls, text: str) -> WorkerIdentity:
        """The reverse.

        Raises:
            ValueError: it is no such text.
        """
        try:
            data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            return msgspec.msgpack.decode(data, type=cls)
        except (ValueError, msgspec.MsgspecError):
            raise ValueError("not an identity of a worker") from None
