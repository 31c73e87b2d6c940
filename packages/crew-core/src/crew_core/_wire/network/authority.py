"""A throw-away certificate authority: one for each run of a controller, in its memory only.

The only module that imports cryptography. Dispatcher and workers need only what it issued.
"""

from __future__ import annotations

import datetime
import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID = datetime.timedelta(days=400)  # longer than any run; the key dies with the controller
_SLACK = datetime.timedelta(days=2)  # for the clocks of other computers


class Authority:
    """Signs the certificates of one dispatcher and of its workers."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("crew")
        certificate = (
            _builder(self._name, self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.certificate: bytes = certificate.public_bytes(serialization.Encoding.PEM)
        """The authority's own, PEM."""

    def issue_server(self) -> tuple[bytes, bytes]:
        """A certificate and its private key for the dispatcher, PEM."""
        return self._issue("dispatcher", ExtendedKeyUsageOID.SERVER_AUTH)

    def issue_worker(self, instance: str) -> tuple[bytes, bytes]:
        """A certificate that names this instance and its private key, PEM."""
        return self._issue(instance, ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(self, name: str, usage: x509.ObjectIdentifier) -> tuple[bytes, bytes]:
        # A server's certificate is none for a worker, and the other way round.
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(_name(name), self._name, key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return certificate.public_bytes(serialization.Encoding.PEM), secret


def digest_of(certificates: bytes) -> bytes:
    """SHA-256 of the first certificate of a PEM text."""
    first = x509.load_pem_x509_certificates(certificates)[0]
    return hashlib.sha256(first.public_bytes(serialization.Encoding.DER)).digest()


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + _VALID)
    )
