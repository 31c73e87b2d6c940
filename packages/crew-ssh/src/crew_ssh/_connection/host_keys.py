"""Checks that a host is who the user knows: files of known hosts, what is said when it is not."""

from __future__ import annotations

import os
from pathlib import Path

from crew_ssh._connection.errors import SshError
from crew_ssh._connection.known_lines import KnownKey, known_key, line_of
from crew_ssh._connection.settings import Settings, path_of

_RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")


class KnownHosts:
    """The keys that the user's files know of one host.

    Args:
        settings: of the host.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys: list[KnownKey] = []
        self._where = ""
        for name in settings.known_hosts:
            self._read(Path(path_of(name)))

    @property
    def algorithms(self) -> tuple[str, ...]:
        """What the host is asked to prove itself by, so that it shows a key that is known."""
        found: list[str] = []
        for key in self._keys:
            if not key.revoked:
                found += [*_RSA_SIGNATURES, key.kind] if key.kind == "ssh-rsa" else [key.kind]
        return tuple(dict.fromkeys(found))

    def check(self, kind: str, blob: bytes) -> None:
        """Refuse a host whose key is not the one that the user knows.

        Raises:
            SshError: it is unknown, another, or revoked.
        """
        shown = KnownKey(kind, blob).shown
        same = [key for key in self._keys if key.blob == blob]
        if any(key.revoked for key in same):
            raise SshError(
                f"host {self._settings.key_name} shows a key that your known_hosts calls revoked: "
                f"{shown}. Do not trust it; ask who runs the host",
                transient=False,
            )
        if same:
            return
        if any(not key.revoked for key in self._keys):
            raise self._changed(shown)
        if self._settings.strict in ("yes", "ask"):
            raise self._unknown(shown)
        self._accept(kind, blob)

    def _changed(self, shown: str) -> SshError:
        known = ", ".join(key.shown for key in self._keys if not key.revoked)
        name = self._settings.key_name
        return SshError(
            f"host {name} shows another key than the one you know: {shown}, while {self._where} "
            f"has {known}. Somebody may be listening in, or the host was installed anew. Ask who "
            f"runs it; only if the new key is right: ssh-keygen -R '{name}', then "
            f"ssh {self._settings.alias}",
            transient=False,
        )

    def _unknown(self, shown: str) -> SshError:
        files = ", ".join(self._settings.known_hosts) or "no file"
        return SshError(
            f"host {self._settings.key_name} is not known: its key, {shown}, is not in {files}. "
            "Compare it with what the host's administrator says; to accept it: "
            f"ssh {self._settings.alias}",
            transient=False,
        )

    def _accept(self, kind: str, blob: bytes) -> None:
        """Write a new host's key to the user's own file, as the user's setup asks for."""
        if not self._settings.known_hosts:
            return
        path = Path(path_of(self._settings.known_hosts[0]))
        if path == Path(os.devnull):
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(line_of(self._settings.key_name, kind, blob))

    def _read(self, path: Path) -> None:
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return
        for number, line in enumerate(lines, start=1):
            key = known_key(line, self._settings.key_name)
            if key is not None:
                self._keys.append(key)
                if not key.revoked:
                    self._where = self._where or f"{path}:{number}"
