"""How users prove who they are to real sshd: agents, passphrases, certificates, a terminal."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
from on_hosts.conftest import MakeController, options_on
from on_hosts.tasks import WHERE
from testbeds.ssh import SshBed, SshBedOptions
from testbeds.waiting import until

pytestmark = pytest.mark.timeout(300)

MakeKey = Callable[..., Path]


@pytest.fixture
def bed(make_bed: Any) -> SshBed:
    """One host, whose doors a test may change."""
    made: SshBed = make_bed(SshBed, SshBedOptions(count=1))
    return made


@pytest.fixture
def make_key(tmp_path: Path) -> MakeKey:
    """Make keys of users: ``make_key("id", passphrase="secret")``; the private one's path."""

    def make_key(name: str, *, kind: str = "ed25519", passphrase: str = "") -> Path:
        path = tmp_path / name
        keygen("-q", "-t", kind, "-N", passphrase, "-C", name, "-f", str(path))
        return path

    return make_key


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Path]:
    """The socket of an agent without any key."""
    path = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL) as held:
        until(path.exists)
        yield path
        held.terminate()


def keygen(*words: str) -> None:
    """Run ``ssh-keygen``."""
    subprocess.run(["ssh-keygen", *words], check=True, capture_output=True)


def public(key: Path) -> str:
    """The public half of a key."""
    return Path(f"{key}.pub").read_text()


def config(bed: SshBed, folder: Path, key: Path, **others: str) -> dict[str, str]:
    """A configuration that names another key than the bed's, and says other things."""
    text = bed.ssh_config.read_text().replace(f"IdentityFile {bed.place}/id", f"IdentityFile {key}")
    for keyword, value in others.items():
        lines = [line for line in text.splitlines() if line.split()[:1] != [keyword]]
        text = "\n".join([*lines, f"  {keyword} {value}"]) + "\n"
    path = folder / "ssh_config"
    path.write_text(text)
    return {"ssh_config": str(path)}


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_keys_of_each_kind_are_taken(
    bed: SshBed, make: MakeController, make_key: MakeKey, tmp_path: Path, kind: str
) -> None:
    key = make_key("mine", kind=kind)
    bed.trust("h1", public(key))
    assert make(bed, **config(bed, tmp_path, key)).push(WHERE).result(200) == "h1"


def test_a_key_that_only_the_agent_has_is_taken(
    bed: SshBed, make: MakeController, make_key: MakeKey, agent: Path, tmp_path: Path
) -> None:
    key = make_key("mine")
    bed.trust("h1", public(key))
    held = {**os.environ, "SSH_AUTH_SOCK": str(agent)}
    subprocess.run(["ssh-add", str(key)], env=held, check=True, capture_output=True)
    key.unlink()
    options = config(bed, tmp_path, key, IdentityAgent=str(agent))
    assert make(bed, **options).push(WHERE).result(200) == "h1"


def test_a_certificate_is_taken_where_the_key_is_not(
    bed: SshBed, make: MakeController, make_key: MakeKey, tmp_path: Path
) -> None:
    authority, key = make_key("authority"), make_key("mine")
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    keygen("-q", "-s", str(authority), "-I", "me", "-n", user, f"{key}.pub")
    bed.trust("h1", f"cert-authority {public(authority)}")
    options = config(bed, tmp_path, key, CertificateFile=f"{key}-cert.pub")
    assert make(bed, **options).push(WHERE).result(200) == "h1"


def test_two_keys_are_shown_to_a_host_that_wants_both(
    bed: SshBed, make: MakeController, make_key: MakeKey, tmp_path: Path
) -> None:
    one, other = make_key("one"), make_key("other")
    bed.trust("h1", public(one), public(other))
    sshd_config = bed.place / "h1" / "sshd_config"
    sshd_config.write_text(sshd_config.read_text() + "AuthenticationMethods publickey,publickey\n")
    bed.stop_host("h1")
    bed.start_host("h1")
    options = config(bed, tmp_path, one, IdentityFile=f"{one}\n  IdentityFile {other}")
    assert make(bed, **options).push(WHERE).result(200) == "h1"


def test_a_locked_key_is_an_error_that_says_what_helps(
    bed: SshBed, make_key: MakeKey, tmp_path: Path
) -> None:
    key = make_key("locked", passphrase="open sesame")
    bed.trust("h1", public(key))
    options = {**options_on(bed), **config(bed, tmp_path, key)}
    controller = crew.controller("ssh", **options)
    with pytest.raises(crew.LaunchError, match="ssh-add it to your agent") as caught:
        controller.launch()
    assert not caught.value.transient
    controller.terminate()


@pytest.mark.skipif(shutil.which("script") is None, reason="needs a terminal, by `script`")
def test_a_passphrase_is_asked_for_at_the_terminal(
    bed: SshBed, make_key: MakeKey, tmp_path: Path
) -> None:
    key = make_key("locked", passphrase="open sesame")
    bed.trust("h1", public(key))
    options = {**options_on(bed), **config(bed, tmp_path, key, BatchMode="no")}
    program = tmp_path / "session.py"
    program.write_text(
        textwrap.dedent(f"""
            import crew_core as crew
            with crew.controller("ssh", **{options!r}) as controller:
                print("ran on", controller.push({WHERE!r}).result(150))
        """)
    )
    shown = tmp_path / "shown"
    command = ["script", "-q", "-f", "-c", f"{sys.executable} {program}", str(shown)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as terminal:
        assert terminal.stdin is not None
        until(lambda: shown.exists() and "Passphrase for" in shown.read_text(), 60)
        terminal.stdin.write(b"open sesame\n")
        terminal.stdin.flush()
        terminal.wait(200)
    text = shown.read_text()
    assert "ran on h1" in text, text
    assert "open sesame" not in text, "nobody sees it"
