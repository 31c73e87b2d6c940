"""Certificates of the user's own: chains, passwords, and those that are of no use."""

from __future__ import annotations

import datetime
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import crew_core as crew
from crew_core._model import network
from crew_core._wire.network import authority
from crew_core.testing import FakeLauncher

SECONDS = 60
NO_DISPATCHER = 4
"""A worker's exit code."""

IN_VAIN_SECONDS = "15"
"""How long one tries that is never let in: enough for an answer, however busy this machine is."""

DAY = datetime.timedelta(days=1)


class Issuer:
    """One link of a chain, with the files of its certificate and key.

    Args:
        folder: for the files.
        name: whom it is for, and what the files are called.
        above: who signs it; None: it does so itself.
        ends: whether it signs no others.
        days: first and last day of its validity, from now.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        above: Issuer | None = None,
        *,
        ends: bool = False,
        days: tuple[int, int] = (-1, 1),
        password: str | None = None,
    ) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signer = above or self
        now = datetime.datetime.now(datetime.timezone.utc)
        signed = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(signer.name)
            .public_key(self.private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + days[0] * DAY)
            .not_valid_after(now + days[1] * DAY)
            .add_extension(x509.BasicConstraints(ca=not ends, path_length=None), critical=True)
            .sign(signer.private, hashes.SHA256())
        )
        self.certificate = folder / f"{name}.pem"
        self.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password is not None:
            encryption = serialization.BestAvailableEncryption(password.encode())
        self.key = folder / f"{name}.key"
        self.key.write_bytes(
            self.private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
            )
        )


@pytest.fixture
def chain(tmp_path: Path) -> tuple[Issuer, Issuer, Issuer]:
    """A dispatcher's certificate, who signed that, and who signed the signer."""
    root = Issuer(tmp_path, "root")
    middle = Issuer(tmp_path, "middle", root)
    return Issuer(tmp_path, "dispatcher", middle, ends=True, password="sesame"), middle, root


Open = Callable[..., crew.Controller]


@pytest.fixture
def open_with(controller_name: str) -> Iterator[Open]:
    """Opens a controller on loopback with certificates of ours."""
    opened: list[crew.Controller] = []

    def open_with(
        own: Issuer, certificates: Sequence[Path] | Path, password: str | None = None
    ) -> crew.Controller:
        tls = crew.TlsOptions(
            mode="custom", key=own.key, certificates=certificates, password=password
        )
        opened.append(crew.controller("local", name=controller_name, host="127.0.0.1", tls=tls))
        return opened[-1]

    yield open_with
    for controller in opened:
        controller.terminate()


@pytest.mark.parametrize("length", [1, 2, 3])
def test_workers_trust_the_last_that_is_given_be_it_a_root_or_not(
    chain: tuple[Issuer, ...], open_with: Open, length: int
) -> None:
    certificates = [issuer.certificate for issuer in chain[:length]]
    controller = open_with(chain[0], certificates, "sesame")
    assert controller.submit(sum, [1, 2]).result(SECONDS) == 3


def test_a_chain_may_be_in_one_file(
    chain: tuple[Issuer, ...], open_with: Open, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("\n".join(issuer.certificate.read_text() for issuer in chain))
    controller = open_with(chain[0], bundle, "sesame")
    assert controller.submit(sum, [1, 2]).result(SECONDS) == 3


def test_a_certificate_that_is_not_valid_yet_is_refused(tmp_path: Path) -> None:
    early = Issuer(tmp_path, "early", days=(1, 2))
    with pytest.raises(crew.ConfigError, match=r"early\.pem is not valid before 20"):
        crew.TlsOptions(mode="custom", key=early.key, certificates=early.certificate)


def test_an_encrypted_key_without_a_password_is_refused_and_nobody_is_asked(
    chain: tuple[Issuer, ...],
) -> None:
    """OpenSSL would ask at the terminal, and a batch job would wait there for ever."""
    with pytest.raises(crew.ConfigError, match="is the password right"):
        crew.TlsOptions(mode="custom", key=chain[0].key, certificates=chain[0].certificate)


def open_on_loopback(launcher: FakeLauncher, name: str, **options: Any) -> crew.Controller:
    """A controller that waits for its workers as long as they try."""
    return crew.controller(
        launcher, name=name, host="127.0.0.1", seconds_launch=10 * SECONDS, **options
    )


def worker_of(controller: crew.Controller, launcher: FakeLauncher) -> subprocess.Popen[str]:
    """Start a worker as this launcher was told to."""
    controller.launch(1)
    (launch,) = launcher.requests[-1].workers
    argv = launch.argv[: launch.argv.index("--log")]
    return subprocess.Popen(
        [*argv, "--grace", IN_VAIN_SECONDS],
        env={**os.environ, **launch.env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_worker_does_not_trust_a_dispatcher_whose_certificate_has_expired(
    tmp_path: Path, controller_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it may while the controller runs."""
    late = Issuer(tmp_path, "late", days=(-2, -1))
    monkeypatch.setattr(network, "_refuse_expired", lambda tls: None)
    tls = crew.TlsOptions(mode="custom", key=late.key, certificates=late.certificate)
    launcher = FakeLauncher()
    with open_on_loopback(launcher, controller_name, tls=tls) as controller:
        process = worker_of(controller, launcher)
        _, told = process.communicate(timeout=SECONDS)
    assert process.returncode == NO_DISPATCHER
    assert "certificate has expired" in told


def test_a_worker_does_not_trust_an_authority_that_has_expired(controller_name: str) -> None:
    launcher = FakeLauncher()
    controller = open_on_loopback(launcher, controller_name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(authority, "_VALID", -datetime.timedelta(hours=1))
        controller.start()
    with controller:
        process = worker_of(controller, launcher)
        _, told = process.communicate(timeout=SECONDS)
    assert process.returncode == NO_DISPATCHER
    assert "certificate has expired" in told
