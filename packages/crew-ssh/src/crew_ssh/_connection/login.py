"""Proves to a host who the user is: agent, keys, certificates; at a terminal by answers, too."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paramiko

from crew_ssh._connection.errors import SshError
from crew_ssh._connection.settings import Settings, path_of

Ask = Callable[[str, bool], str | None]
"""Asks the person at the terminal: the question, and whether the answer may show; None: nobody."""

_TRIES = 3
_PROOFS = 4


class _MoreWantedError(Exception):
    """The host took what we showed, and wants something else besides.

    Args:
        ways: what it takes next.
    """

    def __init__(self, ways: list[str]) -> None:
        super().__init__(ways)
        self.ways = ways


class Login:
    """One attempt to be let in.

    Args:
        transport: a connection whose host has proved who it is.
        settings: of the host.
        ask: asks the person at the terminal.
    """

    def __init__(self, transport: Any, settings: Settings, ask: Ask) -> None:
        self._transport = transport
        self._settings = settings
        self._ask = ask
        self._tried: list[str] = []
        self._locked: list[str] = []  # keys without their passphrase

    def run(self) -> None:
        """Try what there is, in ssh's order.

        Raises:
            SshError: the host lets nobody in by that.
        """
        ways = self._allowed()
        for _ in range(_PROOFS):
            try:
                if not ways or self._prove(ways):
                    return
            except _MoreWantedError as wanted:
                ways = wanted.ways
            except paramiko.AuthenticationException as error:
                # Servers count, and hang up after some six tries.
                raise self._refused(ways, str(error)) from None
            else:
                break
        raise self._refused(ways, "")

    def _prove(self, ways: list[str]) -> bool:
        """True when we are in."""
        return (
            ("publickey" in ways and (self._by_keys() or self._by_locked_keys()))
            or ("keyboard-interactive" in ways and self._by_answers())
            or ("password" in ways and self._by_password())
        )

    # ── Ways ───────────────────────────────────────────────────────────────────────────────────

    def _allowed(self) -> list[str]:
        """What the host would accept; empty when it has let us in already."""
        try:
            self._transport.auth_none(self._settings.user)
        except paramiko.BadAuthenticationType as refusal:
            return list(refusal.allowed_types)
        return []

    def _by_keys(self) -> bool:
        return any(self._offer(name, key) for name, key in self._keys())

    def _by_locked_keys(self) -> bool:
        for name in self._locked:
            for _ in range(_TRIES):
                passphrase = self._question(f"Passphrase for {name}: ", shows=False)
                if not passphrase:
                    break
                try:
                    key = paramiko.PKey.from_path(path_of(name), passphrase.encode())
                except (ValueError, paramiko.SSHException):
                    continue
                if self._offer(name, key):
                    return True
                break
        return False

    def _by_answers(self) -> bool:
        if self._settings.batch:
            return False
        nobody = False

        def answer(title: str, instructions: str, prompts: list[tuple[str, bool]]) -> list[str]:
            nonlocal nobody
            head = "\n".join(text for text in (title, instructions) if text)
            answers = []
            for prompt, shows in prompts:
                text = self._question(f"{head}\n{prompt}" if head else prompt, shows=shows)
                nobody = nobody or text is None
                answers.append(text or "")
            return answers

        for _ in range(_TRIES):
            try:
                self._tried.append("answers at the terminal")
                return _is_in(self._transport.auth_interactive(self._settings.user, answer))
            except paramiko.AuthenticationException:
                if nobody or not self._transport.is_active():
                    return False
        return False

    def _by_password(self) -> bool:
        place = f"{self._settings.user}@{self._settings.alias}"
        for _ in range(_TRIES):
            password = self._question(f"Password for {place}: ", shows=False)
            if not password:
                return False
            self._tried.append("a password")
            try:
                return _is_in(
                    self._transport.auth_password(self._settings.user, password, fallback=False)
                )
            except paramiko.AuthenticationException:
                continue
        return False

    def _offer(self, name: str, key: Any) -> bool:
        """True when the host takes this key."""
        self._tried.append(name)
        try:
            return _is_in(self._transport.auth_publickey(self._settings.user, key))
        except (paramiko.AuthenticationException, paramiko.SSHException):
            if not self._transport.is_active():
                raise paramiko.AuthenticationException("it hung up after so many tries") from None
            return False

    def _question(self, text: str, *, shows: bool) -> str | None:
        return None if self._settings.batch else self._ask(text, shows)

    # ── Keys ───────────────────────────────────────────────────────────────────────────────────

    def _keys(self) -> Iterator[tuple[str, Any]]:
        """Keys of the agent, those first that the setup names; then files."""
        named = {blob: name for name in self._settings.identity_files if (blob := _public(name))}
        held = self._held_by_agent()
        files = [path_of(name) for name in self._settings.certificate_files]
        for key in held:
            if key.asbytes() in named:
                yield named[key.asbytes()], key
        if not self._settings.identities_only:
            for key in held:
                if key.asbytes() not in named:
                    yield f"the agent's {key.get_name()}", key
        taken = {key.asbytes() for key in held}
        for name in self._settings.identity_files:
            if (key := self._load(name)) is not None and key.asbytes() not in taken:
                yield from _with_certificates(name, key, files)

    def _held_by_agent(self) -> list[Any]:
        if self._settings.identity_agent == "":
            return []
        if self._settings.identity_agent is not None:
            os.environ["SSH_AUTH_SOCK"] = path_of(self._settings.identity_agent)
        try:
            return list(paramiko.Agent().get_keys())
        except (OSError, paramiko.SSHException):
            return []

    def _load(self, name: str) -> Any | None:
        path = path_of(name)
        if not os.path.exists(path):
            return None
        try:
            return paramiko.PKey.from_path(path)
        except TypeError:  # what there is instead of an error of its own for "needs a passphrase"
            if name not in self._locked:
                self._locked.append(name)
        except (OSError, ValueError, paramiko.SSHException):
            self._tried.append(f"{name} (cannot be read)")
        return None

    def _refused(self, ways: list[str], why: str) -> SshError:
        place = f"{self._settings.user}@{self._settings.alias}"
        tried = ", ".join(self._tried) or "nothing, as there is no key"
        locked = (
            f" {', '.join(self._locked)} has a passphrase and nobody could be asked for it: "
            "ssh-add it to your agent."
            if self._locked
            else ""
        )
        return SshError(
            f"{place} does not let us in (it takes {', '.join(ways)}{_because(why)}). "
            f"Tried: {tried}.{locked} See that `ssh {self._settings.alias}` works by itself",
            transient=False,
        )


def _is_in(wanted: list[str]) -> bool:
    """True, unless the host took that and wants more."""
    if wanted:
        raise _MoreWantedError(list(wanted))
    return True


def _because(why: str) -> str:
    return f"; {why}" if why else ""


def _public(name: str) -> bytes | None:
    """The public half of a key, which tells whether the agent holds it."""
    import base64

    try:
        words = Path(path_of(name) + ".pub").read_text(encoding="utf-8").split()
        return base64.b64decode(words[1])
    except (OSError, ValueError, IndexError):
        return None


def _with_certificates(name: str, key: Any, paths: list[str]) -> Iterator[tuple[str, Any]]:
    """A key with each certificate that is its own, then as it was loaded."""
    for path in filter(os.path.exists, paths):
        try:
            certified = paramiko.PKey.from_path(path_of(name))
            certified.load_certificate(path)
        except (OSError, ValueError, paramiko.SSHException):
            continue
        yield f"{name} with {path}", certified
    yield name, key
