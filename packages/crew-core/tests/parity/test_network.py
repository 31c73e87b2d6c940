"""Workers over a network: without security, with it made for the run, with the user's own."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import crew_core as crew

Make = Callable[..., crew.Controller]

SECONDS = 60
HERE = "127.0.0.1"


def write_pair(folder: Path, password: str | None = None) -> tuple[Path, Path]:
    """A key and a certificate of one's own, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "dispatcher")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encryption = (
        serialization.NoEncryption()
        if password is None
        else serialization.BestAvailableEncryption(password.encode())
    )
    files = folder / "own.key", folder / "own.pem"
    files[0].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    )
    files[1].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return files


def runs_a_task(make: Make, **options: Any) -> str:
    """Run one on a worker that comes by the network; where the dispatcher listened."""
    controller = make(host=HERE, **options)
    assert controller.push(os.getpid).result(SECONDS) != os.getpid()
    return str(controller.client.summary()["socket"].iloc[0])


# ── Modes ──────────────────────────────────────────────────────────────────────────────────────


def test_automatic_is_what_one_gets(make: Make) -> None:
    for options in ({}, {"tls": "automatic"}):
        assert runs_a_task(make, **options).startswith(f"tls+tcp://{HERE}:")


def test_none_warns_and_works(make: Make) -> None:
    """In the original nothing authenticates a worker; here its one-time secret does, even so."""
    with pytest.warns(crew.InsecureWarning):
        assert runs_a_task(make, tls="none").startswith(f"tcp://{HERE}:")


def test_a_key_and_certificate_of_ones_own(make: Make, tmp_path: Path) -> None:
    key, certificate = write_pair(tmp_path)
    tls = crew.TlsOptions(mode="custom", key=key, certificates=certificate)
    assert runs_a_task(make, tls=tls).startswith("tls+tcp://")


def test_an_encrypted_key_of_ones_own(make: Make, tmp_path: Path) -> None:
    key, certificate = write_pair(tmp_path, password="sesame")
    for password in ("sesame", lambda: "sesame"):
        tls = crew.TlsOptions(mode="custom", key=key, certificates=certificate, password=password)
        assert runs_a_task(make, tls=tls).startswith("tls+tcp://")
    with pytest.raises(crew.ConfigError, match=r"password|key"):
        crew.TlsOptions(mode="custom", key=key, certificates=certificate, password="wrong")


# ── Mistakes ───────────────────────────────────────────────────────────────────────────────────


def test_missing_empty_and_foreign_files_are_refused_by_name(tmp_path: Path) -> None:
    key, certificate = write_pair(tmp_path)
    absent, empty, other = (tmp_path / name for name in ("absent", "empty", "other"))
    empty.touch()
    other.write_text("-----BEGIN SOMETHING-----\n-----END SOMETHING-----\n")
    for bad in (absent, empty, other):
        with pytest.raises(crew.ConfigError, match=bad.name):
            crew.TlsOptions(mode="custom", key=bad, certificates=certificate)
        with pytest.raises(crew.ConfigError, match=bad.name):
            crew.TlsOptions(mode="custom", key=key, certificates=bad)


def test_an_unknown_mode_is_refused_and_so_are_files_without_custom(tmp_path: Path) -> None:
    key, certificate = write_pair(tmp_path)
    with pytest.raises(crew.ConfigError, match="tls="):
        crew.TlsOptions(mode="some")  # type: ignore[arg-type]  # what is tested
    with pytest.raises(crew.ConfigError, match="custom"):
        crew.TlsOptions(key=key, certificates=certificate)
    with pytest.raises(crew.ConfigError, match="key"):
        crew.TlsOptions(mode="custom")


def test_tasks_with_tasks_max_over_tls(make: Make) -> None:
    controller = make(host=HERE, workers=2, tasks_max=50, seconds_idle=0.2)
    names = [f"task {number:03}" for number in range(300)]
    controller.walk("name", {"name": names}, names="name")
    assert controller.wait(seconds_timeout=2 * SECONDS)
    table = controller.collect()
    assert table is not None
    assert sorted(table["result"]) == names
