"""What the user's SSH configuration says is found out, by ``ssh`` and without it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crew_ssh._connection.errors import SshError
from crew_ssh._connection.route import route_to
from crew_ssh._connection.setup import Setup, split_address

CONFIG = """\
Host inner
  HostName 10.0.0.7
  ProxyJump outer,me@middle:2200
Host outer
  HostName outer.example.org
  Port 2222
Host *
  User somebody
  IdentityFile ~/.ssh/special
  StrictHostKeyChecking yes
  UserKnownHostsFile {folder}/known
  ServerAliveInterval 7
"""

PROGRAMS = [*filter(None, [shutil.which("ssh")]), None]


@pytest.fixture(params=PROGRAMS, ids=lambda program: "by ssh" if program else "without ssh")
def setup(request: pytest.FixtureRequest, tmp_path: Path) -> Setup:
    file = tmp_path / "config"
    file.write_text(CONFIG.format(folder=tmp_path))
    return Setup(str(file), request.param)


def test_a_host_is_as_the_configuration_says(setup: Setup, tmp_path: Path) -> None:
    found = setup.settings("outer")
    assert (found.hostname, found.port, found.user) == ("outer.example.org", 2222, "somebody")
    assert [Path(name).name for name in found.identity_files] == ["special"]
    assert found.strict == "yes"
    assert found.known_hosts[0] == f"{tmp_path}/known"


def test_what_the_user_says_with_the_name_counts_more(setup: Setup) -> None:
    found = setup.settings("ssh://else@outer:4000")
    assert (found.hostname, found.port, found.user) == ("outer.example.org", 4000, "else")
    assert setup.settings("else@outer").user == "else"


def test_jumps_are_followed(setup: Setup) -> None:
    route = route_to("inner", setup.settings)
    assert [(each.hostname, each.port, each.user) for each in route] == [
        ("outer.example.org", 2222, "somebody"),
        ("middle", 2200, "me"),
        ("10.0.0.7", 22, "somebody"),
    ]


def test_a_host_of_which_nothing_is_said_is_dialled_by_its_name(setup: Setup) -> None:
    assert setup.settings("plain").hostname == "plain"


def test_a_configuration_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    for program in PROGRAMS:
        with pytest.raises(SshError) as caught:
            Setup(str(tmp_path / "none"), program).settings("h")
        assert not caught.value.transient


@pytest.mark.parametrize(
    ("alias", "parts"),
    [
        ("h", ("", "h", None)),
        ("me@h", ("me", "h", None)),
        ("me@h:22", ("me", "h", 22)),
        ("ssh://me@h:22/", ("me", "h", 22)),
        ("[::1]:22", ("", "::1", 22)),
        ("me@fe80::1", ("me", "fe80::1", None)),
    ],
)
def test_addresses_are_taken_apart(alias: str, parts: tuple[str, str, int | None]) -> None:
    assert split_address(alias) == parts
