"""What the user's SSH setup says about one host, from the words of ``ssh -G``. Pure."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

_NO = ("no", "false", "off")
_NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How one host is to be reached and known.

    Attributes:
        alias: what the user calls it.
        hostname: what is dialled.
        port: there.
        user: whose account it is.
        identity_files: private keys, in order; paths may begin with "~".
        certificate_files: certificates of those keys.
        identities_only: the agent's other keys are not offered.
        identity_agent: the agent's socket; None: what SSH_AUTH_SOCK says; "" for no agent.
        jumps: hosts to go through, the nearest first.
        proxy_command: a command that is the connection.
        known_hosts: files of host keys, the user's own first.
        host_key_alias: the name in those files; None: the host's own.
        strict: "yes", "ask", "accept-new" or "no".
        batch: nobody is to be asked for anything.
    """

    alias: str
    hostname: str
    port: int = 22
    user: str = ""
    identity_files: tuple[str, ...] = ()
    certificate_files: tuple[str, ...] = ()
    identities_only: bool = False
    identity_agent: str | None = None
    jumps: tuple[str, ...] = ()
    proxy_command: str | None = None
    known_hosts: tuple[str, ...] = ()
    host_key_alias: str | None = None
    strict: str = "ask"
    batch: bool = False

    @property
    def key_name(self) -> str:
        """What the host is called in files of host keys."""
        if self.host_key_alias is not None:
            return self.host_key_alias
        return self.hostname if self.port == 22 else f"[{self.hostname}]:{self.port}"


def settings_of(alias: str, pairs: Iterable[tuple[str, str]], user: str) -> Settings:
    """Settings from pairs of a keyword in lower case and its value, as ``ssh -G`` prints them.

    Args:
        alias: what the user calls the host.
        pairs: of some keywords there may be several.
        user: who we are here, where nothing else is said.
    """
    found: dict[str, list[str]] = {}
    for keyword, value in pairs:
        found.setdefault(keyword, []).append(value)

    def one(keyword: str, default: str = "") -> str:
        return found.get(keyword, [default])[0]

    def given(keyword: str) -> str | None:
        value = one(keyword)
        return None if value.lower() in ("", _NONE) else value

    def flag(keyword: str) -> bool:
        return one(keyword, "no").lower() not in _NO

    jumps = given("proxyjump")
    return Settings(
        alias=alias,
        hostname=one("hostname", alias),
        port=int(one("port", "22")),
        user=one("user", user),
        identity_files=_files(found.get("identityfile", [])),
        certificate_files=_files(found.get("certificatefile", [])),
        identities_only=flag("identitiesonly"),
        identity_agent=_agent(one("identityagent")),
        jumps=() if jumps is None else tuple(hop.strip() for hop in jumps.split(",")),
        proxy_command=given("proxycommand"),
        known_hosts=_all_words(
            found.get("userknownhostsfile", ["~/.ssh/known_hosts"]),
            found.get("globalknownhostsfile", ["/etc/ssh/ssh_known_hosts"]),
        ),
        host_key_alias=given("hostkeyalias"),
        strict=_strictness(one("stricthostkeychecking", "ask").lower()),
        batch=flag("batchmode"),
    )


def pairs_of(text: str) -> list[tuple[str, str]]:
    """What ``ssh -G`` printed, as pairs."""
    pairs = []
    for line in text.splitlines():
        keyword, _, value = line.strip().partition(" ")
        pairs.append((keyword.lower(), value.strip()))
    return pairs


def expand_command(command: str, settings: Settings) -> str:
    """A proxy command with what its patterns stand for."""
    meanings = {
        "%": "%",
        "h": settings.hostname,
        "n": settings.alias,
        "p": str(settings.port),
        "r": settings.user,
    }
    pieces = command.split("%%")
    for letter, meaning in meanings.items():
        if letter != "%":
            pieces = [piece.replace(f"%{letter}", meaning) for piece in pieces]
    return "%".join(pieces)


def path_of(name: str) -> str:
    """A path of this computer, without "~"."""
    return os.path.expanduser(name)


def _files(names: Iterable[str]) -> tuple[str, ...]:
    """Paths, which may be in quotation marks."""
    return tuple(name.strip('"') for name in names if name.lower() != _NONE)


def _all_words(*lines: Iterable[str]) -> tuple[str, ...]:
    return tuple(word for line in lines for text in line for word in shlex.split(text))


def _agent(value: str) -> str | None:
    if value in ("", "SSH_AUTH_SOCK"):
        return None
    if value.lower() == _NONE:
        return ""
    return os.environ.get(value[1:], "") if value.startswith("$") else value


def _strictness(value: str) -> str:
    if value in ("yes", "true"):
        return "yes"
    return "no" if value in _NO else value
