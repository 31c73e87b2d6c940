"""Who is known, who is not, and who has changed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

import pytest

from crew_ssh._connection.errors import SshError
from crew_ssh._connection.host_keys import KnownHosts
from crew_ssh._connection.known_lines import fingerprint, known_key, names_match
from crew_ssh._connection.settings import Settings

KEY, OTHER = b"the key of the host", b"the key of somebody else"
KIND = "ssh-ed25519"


def line(name: str, key: bytes = KEY, marker: str = "") -> str:
    return f"{marker} {name} {KIND} {base64.b64encode(key).decode()} a comment\n".lstrip()


def known(tmp_path: Path, *lines: str, strict: str = "ask", port: int = 22) -> KnownHosts:
    file = tmp_path / "known_hosts"
    file.write_text("".join(lines))
    settings = Settings(
        alias="node", hostname="10.0.0.7", port=port, known_hosts=(str(file),), strict=strict
    )
    return KnownHosts(settings)


def test_a_known_host_is_let_in(tmp_path: Path) -> None:
    known(tmp_path, "# comment\n", line("other", OTHER), line("10.0.0.7")).check(KIND, KEY)


def test_an_unknown_host_is_refused_with_its_fingerprint_and_how_to_accept_it(
    tmp_path: Path,
) -> None:
    with pytest.raises(SshError, match=r"not known.*to accept it: ssh node") as caught:
        known(tmp_path, line("other")).check(KIND, KEY)
    assert fingerprint(KEY) in str(caught.value)
    assert not caught.value.transient


@pytest.mark.parametrize("strict", ["yes", "ask", "accept-new", "no"])
def test_a_changed_key_is_refused_always(tmp_path: Path, strict: str) -> None:
    with pytest.raises(SshError, match="another key than the one you know") as caught:
        known(tmp_path, line("10.0.0.7", OTHER), strict=strict).check(KIND, KEY)
    assert "known_hosts:1" in str(caught.value)
    assert not caught.value.transient


def test_a_revoked_key_is_refused_even_where_it_is_known(tmp_path: Path) -> None:
    hosts = known(tmp_path, line("10.0.0.7"), line("*", marker="@revoked"))
    with pytest.raises(SshError, match="revoked"):
        hosts.check(KIND, KEY)


def test_a_port_belongs_to_the_name(tmp_path: Path) -> None:
    known(tmp_path, line("[10.0.0.7]:2222"), port=2222).check(KIND, KEY)
    with pytest.raises(SshError, match="not known"):
        known(tmp_path, line("10.0.0.7"), port=2222).check(KIND, KEY)


def test_a_new_host_is_written_down_where_the_setup_says_so(tmp_path: Path) -> None:
    hosts = known(tmp_path, line("other"), strict="accept-new")
    hosts.check(KIND, KEY)
    text = (tmp_path / "known_hosts").read_text()
    assert text.startswith(line("other")), "what was there must stay"
    assert known_key(text.splitlines()[-1], "10.0.0.7") is not None


def test_hosts_are_asked_for_keys_of_kinds_that_are_known(tmp_path: Path) -> None:
    rsa = line("10.0.0.7", OTHER).replace(KIND, "ssh-rsa")
    hosts = known(tmp_path, rsa, line("10.0.0.7"))
    assert hosts.algorithms == ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa", KIND)


@pytest.mark.parametrize(
    ("patterns", "matches"),
    [
        ("node", True),
        ("NODE", True),
        ("other,node", True),
        ("n?de", True),
        ("n*", True),
        ("*,!node", False),
        ("!other", False),
        ("node2", False),
    ],
)
def test_patterns_of_names(patterns: str, matches: bool) -> None:
    assert names_match(patterns, "node") is matches


def test_hashed_names() -> None:
    salt = b"0123456789abcdef0123"
    digest = hmac.new(salt, b"node", hashlib.sha1).digest()
    word = "|1|" + "|".join(base64.b64encode(part).decode() for part in (salt, digest))
    assert names_match(word, "node")
    assert not names_match(word, "other")
    assert not names_match("|1|broken", "node")


@pytest.mark.parametrize("broken", ["", "#", "node", "node ssh-rsa", "node ssh-rsa !!!", "@x node"])
def test_broken_lines_say_nothing(broken: str) -> None:
    assert known_key(broken, "node") is None
