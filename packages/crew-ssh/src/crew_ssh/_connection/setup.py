"""Asks the user's SSH setup about hosts: the program ``ssh`` itself, else paramiko's reading of it.

``ssh -G`` follows Include and all of Match, and knows the system's own settings; paramiko does not.
"""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from pathlib import Path

from crew_core.plugins import unforked
from crew_ssh._connection.errors import SshError
from crew_ssh._connection.settings import Settings, pairs_of, settings_of

_SECONDS = 20.0
_DEFAULT_KEYS = ("~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ed25519")


class Setup:
    """The user's SSH setup.

    Args:
        file: read instead of ``~/.ssh/config``; None: as ssh does.
        program: the program ``ssh``; None: there is none.
    """

    def __init__(self, file: str | None = None, program: str | None = None) -> None:
        self._file = None if file is None else str(Path(file).expanduser())
        self._program = program
        self._known: dict[str, Settings] = {}

    @classmethod
    def of_user(cls, file: str | None = None) -> Setup:
        """With the program ``ssh`` where there is one."""
        return cls(file, shutil.which("ssh"))

    def settings(self, alias: str) -> Settings:
        """What it says about a host: a name, "user@host", or a URL of scheme "ssh".

        Raises:
            SshError: it cannot be read.
        """
        if alias not in self._known:
            pairs = self._ask(alias) if self._program else self._read(alias)
            self._known[alias] = settings_of(alias, pairs, getpass.getuser())
        return self._known[alias]

    def _ask(self, alias: str) -> list[tuple[str, str]]:
        assert self._program is not None
        file = [] if self._file is None else ["-F", self._file]
        command = [self._program, "-G", *file, "--", _as_url(alias)]
        try:
            with unforked():
                child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                )
            out, err = _output_of(child)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SshError(f"cannot ask {self._program} about {alias}: {error}", transient=True)  # noqa: B904
        if child.returncode != 0:
            told = err.decode(errors="replace").strip()
            raise SshError(f"ssh cannot tell how to reach {alias}: {told}", transient=False)
        return pairs_of(out.decode(errors="replace"))

    def _read(self, alias: str) -> list[tuple[str, str]]:
        import paramiko

        user, host, port = split_address(alias)
        path = Path(self._file or "~/.ssh/config").expanduser()
        try:
            config = (
                paramiko.SSHConfig.from_path(str(path))
                if path.exists() or self._file is not None
                else paramiko.SSHConfig()
            )
        except (OSError, paramiko.SSHException) as error:
            raise SshError(f"cannot read {path}: {error}", transient=False) from None
        pairs = [("user", user)] if user else []
        pairs += [("port", str(port))] if port else []
        for keyword, value in config.lookup(host).items():
            values = value if isinstance(value, list) else [str(value)]
            pairs += [(keyword, each) for each in values]
        if not any(keyword == "identityfile" for keyword, _ in pairs):
            pairs += [("identityfile", name) for name in _DEFAULT_KEYS]
        return pairs


def split_address(alias: str) -> tuple[str, str, int | None]:
    """User, host and port of "host", "user@host", "user@host:port" or "ssh://user@host:port"."""
    rest = alias.removeprefix("ssh://").rstrip("/")
    user, _, place = rest.rpartition("@")
    if place.startswith("["):
        host, _, port = place[1:].partition("]")
        port = port.removeprefix(":")
    elif place.count(":") == 1:
        host, _, port = place.partition(":")
    else:
        host, port = place, ""
    return user, host, int(port) if port.isdecimal() else None


def _as_url(alias: str) -> str:
    """As the program takes it: a port is told in a URL only."""
    user, host, port = split_address(alias)
    if port is None:
        return f"{user}@{host}" if user else host
    place = f"[{host}]" if ":" in host else host
    return f"ssh://{user}@{place}:{port}" if user else f"ssh://{place}:{port}"


def here() -> str:
    """What this computer calls itself, for messages."""
    return os.uname().nodename if hasattr(os, "uname") else "this computer"


def _output_of(child: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    try:
        return child.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        raise
