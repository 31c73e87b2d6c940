"""TLS of both ends: version 1.3, both show certificates, and nothing else is let in."""

from __future__ import annotations

import contextlib
import hashlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from typing import Any

from crew_core._wire.network.settings import ServerIdentity, WorkerIdentity


def server_context(identity: ServerIdentity) -> ssl.SSLContext:
    """For the dispatcher: who shows no certificate of this controller's authority is refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0  # every connection proves itself anew
    context.load_verify_locations(cadata=identity.workers_authority.decode())
    _load(context, identity.certificates, identity.key, identity.password)
    return context


def client_context(identity: WorkerIdentity) -> ssl.SSLContext:
    """For a worker: only the one certificate of its dispatcher will do.

    Host names prove nothing here: workers reach the dispatcher by whatever address works.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    # The last of a chain that was given need not be a root.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=identity.server_authorities.decode())
    _load(context, identity.certificate, identity.key, None)
    return context


def is_expected(connection: ssl.SSLSocket, digest: bytes) -> bool:
    """True when the other end showed the certificate of this SHA-256."""
    certificate = connection.getpeercert(binary_form=True)
    return certificate is not None and hashlib.sha256(certificate).digest() == digest


def common_name(connection: ssl.SSLSocket) -> str | None:
    """Whom the other end's certificate names."""
    certificate: dict[str, Any] = dict(connection.getpeercert() or {})
    for entry in certificate.get("subject", ()):
        name = dict(entry).get("commonName")
        if name is not None:
            return str(name)
    return None


def _load(context: ssl.SSLContext, certificates: bytes, key: bytes, password: str | None) -> None:
    with _private_file(certificates + b"\n" + key) as path:
        # A function: given None, OpenSSL would ask at the terminal.
        context.load_cert_chain(path, password=lambda: password or "")


@contextlib.contextmanager
def _private_file(content: bytes) -> Iterator[str]:
    """A file that only we can read, for the moment that OpenSSL needs it; in memory on Linux."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("crew")
        path, on_disk = f"/proc/self/fd/{descriptor}", False
    else:
        descriptor, path = tempfile.mkstemp()
        on_disk = True
    try:
        os.write(descriptor, content)
        yield path
    finally:
        os.close(descriptor)
        if on_disk:
            os.unlink(path)
