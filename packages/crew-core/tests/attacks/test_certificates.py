"""Who does not show the right certificate, over TLS as it must be, is not heard."""

from __future__ import annotations

import contextlib
import datetime
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from attacks.scene import Scene, answer, anybody, greeting, logged
from crew_core._wire import messages
from crew_core._wire.network import authority
from crew_core._wire.network.authority import Authority
from crew_core._wire.network.settings import WorkerIdentity
from crew_core._wire.network.tls import client_context


def test_nobody_without_a_certificate_is_heard(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    with scene.secured(anybody()) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(scene.hello(1))
        assert answer(connection) is None
    scene.work_goes_on()
    logged(caplog, "PEER_DID_NOT_RETURN_A_CERTIFICATE")
    scene.another_worker_gets_in()


def test_nobody_with_another_authoritys_certificate_is_heard(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even one of the same name, for the right instance, with the right secret."""
    certificate, key = Authority().issue_worker(scene.launches[1].instance)
    ours = scene.identity(1)
    forged = WorkerIdentity(certificate, key, ours.server_authorities, ours.server_digest)
    with scene.secured(client_context(forged)) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(scene.hello(1))
        assert answer(connection) is None
    scene.work_goes_on()
    logged(caplog, "no TLS: ")
    assert scene.online() == 1


def test_nobody_can_make_itself_an_authority(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker's certificate signs no other."""
    stolen = scene.identity(1)
    issuer = x509.load_pem_x509_certificate(stolen.certificate)
    key = serialization.load_pem_private_key(stolen.key, None)
    mine = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, scene.launches[2].instance)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject)
        .public_key(mine.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(issuer.not_valid_before_utc)
        .not_valid_after(issuer.not_valid_after_utc)
        .sign(key, hashes.SHA256())  # type: ignore[arg-type]  # an elliptic curve's
    )
    chain = certificate.public_bytes(serialization.Encoding.PEM) + stolen.certificate
    secret = mine.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    forged = WorkerIdentity(chain, secret, stolen.server_authorities, stolen.server_digest)
    with scene.secured(client_context(forged)) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(scene.hello(2))
        assert answer(connection) is None
    logged(caplog, "no TLS: ")
    scene.work_goes_on()


def test_an_expired_certificate_is_refused(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(authority, "_VALID", -datetime.timedelta(hours=1))
    before = len(scene.launcher.requests)
    scene.controller.launch(1)
    late = scene.launcher.requests[before].workers[0]
    process = scene.start(late)
    logged(caplog, "certificate has expired")
    assert scene.online() == 1
    scene.work_goes_on()
    process.kill()


def test_a_hello_without_tls_is_refused(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    with scene.plain() as connection:
        connection.sendall(scene.hello(1))
        assert answer(connection) is None
    logged(caplog, "no TLS")
    scene.work_goes_on()
    scene.another_worker_gets_in()


def only_tls_1_2() -> ssl.SSLContext:
    context = anybody()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def test_older_tls_is_refused(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ssl.SSLError):
        scene.secured(only_tls_1_2())
    logged(caplog, "UNSUPPORTED_PROTOCOL")
    scene.work_goes_on()


def test_a_connection_is_tls_1_3_without_compression_or_resumption(scene: Scene) -> None:
    """TLS 1.3 has no renegotiation."""
    with scene.secured(client_context(scene.identity(1))) as connection:
        connection.sendall(greeting(scene.launches[1].instance, "guessed"))
        assert isinstance(answer(connection), messages.Refused)
        assert connection.version() == "TLSv1.3"
        assert connection.compression() is None
        cipher = connection.cipher()
        assert cipher is not None
        assert cipher[0] in {
            "TLS_AES_256_GCM_SHA384",
            "TLS_CHACHA20_POLY1305_SHA256",
            "TLS_AES_128_GCM_SHA256",
        }
        session = connection.session
        assert session is None or not session.has_ticket
