"""What is made of the words of ``ssh -G``, and which way leads to a host."""

from __future__ import annotations

import pytest

from crew_ssh._connection.errors import SshError
from crew_ssh._connection.route import route_to
from crew_ssh._connection.settings import Settings, expand_command, pairs_of, settings_of
from crew_ssh._connection.setup import split_address

TOLD = """\
user ada
hostname 10.0.0.7
port 2222
identityfile ~/.ssh/first
identityfile ~/.ssh/second
certificatefile none
identitiesonly yes
proxyjump gate,inner
stricthostkeychecking true
userknownhostsfile /home/ada/known "/home/ada/more known"
globalknownhostsfile /etc/ssh/ssh_known_hosts
batchmode no
"""


def settings(**given: object) -> Settings:
    values: dict[str, object] = {"alias": "node", "hostname": "10.0.0.7", "user": "ada", **given}
    return Settings(**values)  # type: ignore[arg-type]


def test_what_ssh_tells_is_understood() -> None:
    found = settings_of("node", pairs_of(TOLD), "me")
    assert (found.hostname, found.port, found.user) == ("10.0.0.7", 2222, "ada")
    assert found.identity_files == ("~/.ssh/first", "~/.ssh/second")
    assert found.certificate_files == ()
    assert found.identities_only
    assert found.jumps == ("gate", "inner")
    assert found.known_hosts[:2] == ("/home/ada/known", "/home/ada/more known")
    assert found.strict == "yes"
    assert not found.batch


def test_what_is_not_told_has_sshs_own_defaults() -> None:
    found = settings_of("node", [], "me")
    assert (found.hostname, found.port, found.user) == ("node", 22, "me")
    assert found.jumps == ()
    assert found.strict == "ask"
    assert "~/.ssh/known_hosts" in found.known_hosts


def test_a_host_at_another_port_is_known_by_both() -> None:
    assert settings().key_name == "10.0.0.7"
    assert settings(port=2222).key_name == "[10.0.0.7]:2222"
    assert settings(port=2222, host_key_alias="node").key_name == "node"


def test_patterns_of_a_proxy_command_are_filled() -> None:
    command = expand_command("nc %h %p # %r %n 100%%h", settings(port=5))
    assert command == "nc 10.0.0.7 5 # ada node 100%h"


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("node", ("", "node", None)),
        ("ada@node", ("ada", "node", None)),
        ("ada@node:5", ("ada", "node", 5)),
        ("ssh://ada@node:5/", ("ada", "node", 5)),
        ("ssh://[::1]:5", ("", "::1", 5)),
        ("fe80::1", ("", "fe80::1", None)),
    ],
)
def test_addresses_have_parts(address: str, parts: tuple[str, str, int | None]) -> None:
    assert split_address(address) == parts


def jumps(**ways: str) -> dict[str, Settings]:
    return {
        name: settings(alias=name, hostname=name, jumps=tuple(filter(None, way.split(","))))
        for name, way in ways.items()
    }


def test_a_route_goes_through_all_jumps_in_order() -> None:
    known = jumps(node="gate,inner", gate="outer", inner="ignored", outer="")
    route = route_to("node", known.__getitem__)
    assert [hop.alias for hop in route] == ["outer", "gate", "inner", "node"]


def test_a_circle_of_jumps_is_refused() -> None:
    known = jumps(node="gate", gate="node")
    with pytest.raises(SshError, match="circle: node → gate → node") as caught:
        route_to("node", known.__getitem__)
    assert not caught.value.transient
