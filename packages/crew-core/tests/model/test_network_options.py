"""The options of the network: what they may be, and what each mistake is told."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
from crew_core._model.network import advertised_hosts, is_wanted, port_range, security_of

Files = tuple[Path, Path]
MakeCertificate = Callable[..., Files]


@pytest.mark.parametrize(
    ("port", "ends"),
    [
        (None, (0, 0)),
        (0, (0, 0)),
        (5000, (5000, 5000)),
        ("5000", (5000, 5000)),
        ("50000-50100", (50000, 50100)),
        ("50000 - 50100", (50000, 50100)),
        ((50000, 50100), (50000, 50100)),
        ([50000, 50100], (50000, 50100)),
    ],
)
def test_a_port_is_a_number_or_a_range(port: Any, ends: tuple[int, int]) -> None:
    assert port_range(crew.NetworkOptions(port=port)) == ends


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"port": -1}, crew.ConfigError),
        ({"port": 65536}, crew.ConfigError),
        ({"port": "50100-50000"}, crew.ConfigError),
        ({"port": "0-100"}, crew.ConfigError),
        ({"port": "http"}, crew.ConfigError),
        ({"port": (1, 2, 3)}, crew.ConfigError),
        ({"port": 5000.0}, TypeError),
        ({"port": True}, TypeError),
        ({"port": ["50000", "50100"]}, TypeError),
        ({"host": ""}, crew.ConfigError),
        ({"host": "a b"}, crew.ConfigError),
        ({"host": "tcp://10.0.0.1"}, crew.ConfigError),
        ({"host": 127}, TypeError),
        ({"host": ["127.0.0.1"]}, TypeError),
        ({"host_advertised": ["10.0.0.1", ""]}, crew.ConfigError),
        ({"host_advertised": [1]}, TypeError),
        ({"host_advertised": []}, crew.ConfigError),
        ({"tls": "strong"}, crew.ConfigError),
        ({"tls": "custom"}, crew.ConfigError),
        ({"tls": True}, TypeError),
        ({"tls": {"certificate": "x"}}, crew.ConfigError),
    ],
)
def test_what_cannot_be_is_refused_at_once_and_named(
    options: dict[str, Any], kind: type[Exception]
) -> None:
    (name,) = options
    with pytest.raises(kind, match=name):
        crew.NetworkOptions(**options)
    with pytest.raises(kind, match=name):
        crew.controller("local", **options)


def test_nothing_said_means_no_network_and_anything_said_means_one() -> None:
    assert not is_wanted(crew.NetworkOptions())
    for options in ({"host": "lo"}, {"port": 0}, {"tls": "automatic"}, {"host_advertised": "lo"}):
        assert is_wanted(crew.NetworkOptions(**options))


def test_several_advertised_hosts_keep_their_order() -> None:
    assert advertised_hosts(crew.NetworkOptions()) is None
    assert advertised_hosts(crew.NetworkOptions(host_advertised="ib0")) == ["ib0"]
    options = crew.NetworkOptions(host_advertised=["ib0", "login1"])
    assert advertised_hosts(options) == ["ib0", "login1"]


def test_no_tls_must_be_asked_for_and_warns_where_it_is() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        crew.NetworkOptions(tls="none")
        crew.controller("local", tls=crew.TlsOptions(mode="none"))
    # What others left behind may be collected here, with a warning of its own.
    ours = [warning for warning in caught if warning.category is crew.InsecureWarning]
    assert len(ours) == 2
    assert {warning.filename for warning in ours} == {__file__}
    assert "run code as you" in str(ours[0].message)


def test_by_default_and_with_certificates_of_ones_own_nothing_warns(
    make_certificate: MakeCertificate,
) -> None:
    key, certificate = make_certificate()
    assert security_of(crew.NetworkOptions()).mode == "automatic"
    table = {"key": str(key), "certificates": str(certificate)}
    assert security_of(crew.NetworkOptions(tls=table)).mode == "custom"


def custom(key: Path, *certificates: Path, password: Any = None) -> crew.TlsOptions:
    return crew.TlsOptions(mode="custom", key=key, certificates=certificates, password=password)


def test_a_key_with_a_password_needs_it(make_certificate: MakeCertificate) -> None:
    key, certificate = make_certificate(password="of the key")
    assert "of the key" not in repr(custom(key, certificate, password="of the key"))
    custom(key, certificate, password=lambda: "of the key")
    for wrong in (None, "another"):
        with pytest.raises(crew.ConfigError, match="is the password right"):
            custom(key, certificate, password=wrong)


def test_a_key_of_another_certificate_is_refused(make_certificate: MakeCertificate) -> None:
    key, _ = make_certificate("one")
    _, certificate = make_certificate("two")
    with pytest.raises(crew.ConfigError, match="Is it this certificate's"):
        custom(key, certificate)


def test_an_expired_certificate_is_refused(make_certificate: MakeCertificate) -> None:
    key, certificate = make_certificate(days=-1)
    with pytest.raises(crew.ConfigError, match=r"mine\.pem expired on 20"):
        custom(key, certificate)


def test_files_that_are_missing_or_something_else_are_named(
    make_certificate: MakeCertificate, tmp_path: Path
) -> None:
    key, certificate = make_certificate()
    empty = tmp_path / "empty"
    empty.touch()
    for file in (empty, certificate):
        with pytest.raises(crew.ConfigError, match=rf"key: .*{file.name} holds no private key"):
            custom(file, certificate)
    for file in (empty, key):
        with pytest.raises(crew.ConfigError, match=rf"certificates: .*{file.name} holds no cert"):
            custom(key, certificate, file)
    with pytest.raises(crew.ConfigError, match=r"cannot read .*nowhere"):
        custom(tmp_path / "nowhere", certificate)
    with pytest.raises(crew.ConfigError, match=r"cannot read .*nowhere"):
        custom(key, tmp_path / "nowhere")


def test_files_make_no_sense_without_the_mode(make_certificate: MakeCertificate) -> None:
    key, certificate = make_certificate()
    with pytest.raises(crew.ConfigError, match="'custom' does"):
        crew.TlsOptions(key=key, certificates=certificate)
    with pytest.raises(crew.ConfigError, match="needs your key and certificates"):
        crew.TlsOptions(mode="custom", certificates=certificate)


def test_a_table_in_a_configuration_file_will_do(
    project: Path, make_certificate: MakeCertificate
) -> None:
    key, certificate = make_certificate()
    (project / "crew.toml").write_text(
        '[controllers.mine]\nlauncher = "local"\nhost = "127.0.0.1"\nport = [50000, 50100]\n'
        f'tls = {{ key = "{key}", certificates = ["{certificate}"] }}\n'
    )
    assert crew.controller("mine").name == "mine"
    (project / "crew.toml").write_text('[controllers.mine]\nlauncher = "local"\nport = "x"\n')
    with pytest.raises(crew.ConfigError, match=r"crew\.toml.*port='x'"):
        crew.controller("mine")
