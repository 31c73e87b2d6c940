"""The lines of a file of known hosts: which of them speak of a host, and of which keys. Pure."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
from dataclasses import dataclass

_HASHED = "|1|"


@dataclass(frozen=True)
class KnownKey:
    """A line that speaks of a host.

    Attributes:
        kind: of the key, such as "ssh-ed25519".
        blob: the key.
        revoked: the line says not to trust it.
    """

    kind: str
    blob: bytes
    revoked: bool = False

    @property
    def shown(self) -> str:
        """The key as people compare it."""
        return f"{self.kind} {fingerprint(self.blob)}"


def known_key(line: str, name: str) -> KnownKey | None:
    """What a line says about the host of this name; None: nothing.

    Args:
        line: of a file of known hosts.
        name: the host's, "[name]:port" where the port is not 22.
    """
    words = line.split()
    if not words or words[0].startswith("#"):
        return None
    marker = words.pop(0) if words[0].startswith("@") else ""
    # A key that vouches for others' keys is not the host's own.
    if marker not in ("", "@revoked") or len(words) < 3 or not names_match(words[0], name):
        return None
    try:
        blob = base64.b64decode(words[2], validate=True)
    except (binascii.Error, ValueError):
        return None
    return KnownKey(words[1], blob, revoked=bool(marker))


def names_match(patterns: str, name: str) -> bool:
    """True when a line's first word, with patterns or a hash, means this host."""
    if patterns.startswith(_HASHED):
        return _hash_matches(patterns, name)
    wanted = name.lower()
    found = False
    for pattern in patterns.lower().split(","):
        # Brackets stand for themselves: "[name]:port".
        plain = pattern.removeprefix("!").replace("[", "[[]")
        if fnmatch.fnmatchcase(wanted, plain):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def fingerprint(blob: bytes) -> str:
    """What ``ssh-keygen -l`` shows of a key."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


def line_of(name: str, kind: str, blob: bytes) -> str:
    """A line that makes a host known."""
    return f"{name} {kind} {base64.b64encode(blob).decode()}\n"


def _hash_matches(word: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part) for part in word[len(_HASHED) :].split("|"))
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), "sha1").digest(), digest)
