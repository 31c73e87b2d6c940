"""What is offered to a server, in which order, and what is asked of people; against paramiko's."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import paramiko
import pytest

from crew_ssh._connection.errors import SshError
from crew_ssh._connection.login import Login
from crew_ssh._connection.settings import Settings

SETTINGS = Settings(alias="h1", hostname="h1", user="me", identity_agent="")


class Doorman(paramiko.ServerInterface):  # type: ignore[misc]
    """Lets in who gives the right answers, and writes down what was tried.

    Args:
        ways: what it says that it takes.
        password: what it takes for a password.
        answers: what it takes for answers.
    """

    def __init__(self, ways: str, password: str = "", answers: tuple[str, ...] = ()) -> None:
        self._ways = ways
        self._password = password
        self._answers = answers
        self.tried: list[str] = []

    def get_allowed_auths(self, username: str) -> str:
        return self._ways

    def check_auth_publickey(self, username: str, key: Any) -> int:
        self.tried.append(key.get_name())
        return int(paramiko.AUTH_FAILED)

    def check_auth_password(self, username: str, password: str) -> int:
        self.tried.append("password")
        right = bool(self._password) and password == self._password
        return int(paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED)

    def check_auth_interactive(self, username: str, submethods: str) -> Any:
        self.tried.append("question")
        return paramiko.InteractiveQuery("Token", "", ("Code: ", False), ("Name: ", True))

    def check_auth_interactive_response(self, responses: list[str]) -> int:
        right = bool(self._answers) and tuple(responses) == self._answers
        return int(paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED)


Meet = Callable[[Doorman], Any]


@pytest.fixture
def meet() -> Iterator[Meet]:
    """Connect to a server with this doorman; the client's transport."""
    transports: list[Any] = []

    def meet(doorman: Doorman) -> Any:
        ours, theirs = socket.socketpair()
        server, client = paramiko.Transport(theirs), paramiko.Transport(ours)
        transports.extend((client, server))
        server.add_server_key(paramiko.ECDSAKey.generate())
        server.start_server(event=threading.Event(), server=doorman)
        client.start_client(timeout=20)
        return client

    yield meet
    for transport in transports:
        transport.close()


class Person:
    """At the terminal, with answers."""

    def __init__(self, *answers: str | None) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, bool]] = []

    def ask(self, question: str, shows: bool) -> str | None:
        self.asked.append((question, shows))
        return self._answers.pop(0) if self._answers else None


def test_questions_are_put_to_the_person(meet: Meet) -> None:
    client = meet(Doorman("keyboard-interactive", answers=("123", "me")))
    person = Person("123", "me")
    Login(client, SETTINGS, person.ask).run()
    assert client.is_authenticated()
    assert person.asked == [("Token\nCode: ", False), ("Token\nName: ", True)]


def test_a_password_is_asked_for_again_when_it_was_wrong(meet: Meet) -> None:
    client = meet(Doorman("password", password="right"))
    person = Person("wrong", "right")
    Login(client, SETTINGS, person.ask).run()
    assert client.is_authenticated()
    assert len(person.asked) == 2


@pytest.mark.parametrize("ways", ["keyboard-interactive", "password"])
def test_nobody_at_the_terminal_is_an_error(meet: Meet, ways: str) -> None:
    client = meet(Doorman(ways, password="right", answers=("1", "2")))
    with pytest.raises(SshError, match="does not let us in") as caught:
        Login(client, SETTINGS, Person().ask).run()
    assert not caught.value.transient


def test_nobody_is_asked_in_batch_mode(meet: Meet) -> None:
    client = meet(Doorman("keyboard-interactive,password", password="right"))
    person = Person("right")
    with pytest.raises(SshError):
        Login(client, replace(SETTINGS, batch=True), person.ask).run()
    assert person.asked == []


def test_keys_are_offered_before_anything_is_asked(meet: Meet, tmp_path: Path) -> None:
    key = tmp_path / "key"
    paramiko.ECDSAKey.generate().write_private_key_file(str(key))
    doorman = Doorman("publickey,password", password="right")
    client = meet(doorman)
    settings = replace(SETTINGS, identity_files=(str(tmp_path / "none"), str(key)))
    Login(client, settings, Person("right").ask).run()
    assert doorman.tried == ["ecdsa-sha2-nistp256", "password"]


class TwoProofs(Doorman):
    """Wants a key, and then answers."""

    def check_auth_publickey(self, username: str, key: Any) -> int:
        super().check_auth_publickey(username, key)
        self._ways = "keyboard-interactive"
        return int(paramiko.AUTH_PARTIALLY_SUCCESSFUL)


def test_a_second_proof_is_given_where_one_is_not_enough(meet: Meet, tmp_path: Path) -> None:
    key = tmp_path / "key"
    paramiko.ECDSAKey.generate().write_private_key_file(str(key))
    doorman = TwoProofs("publickey", answers=("123", "me"))
    client = meet(doorman)
    settings = replace(SETTINGS, identity_files=(str(key),))
    Login(client, settings, Person("123", "me").ask).run()
    assert client.is_authenticated()
    assert doorman.tried == ["ecdsa-sha2-nistp256", "question"]


def test_a_second_proof_that_nobody_gives_is_an_error(meet: Meet, tmp_path: Path) -> None:
    key = tmp_path / "key"
    paramiko.ECDSAKey.generate().write_private_key_file(str(key))
    client = meet(TwoProofs("publickey", answers=("123", "me")))
    with pytest.raises(SshError, match="it takes keyboard-interactive") as caught:
        Login(client, replace(SETTINGS, identity_files=(str(key),)), Person().ask).run()
    assert not caught.value.transient


def test_a_refusal_says_what_was_tried(meet: Meet, tmp_path: Path) -> None:
    key = tmp_path / "key"
    paramiko.ECDSAKey.generate().write_private_key_file(str(key))
    (tmp_path / "broken").write_text("no key at all")
    files = (str(key), str(tmp_path / "broken"))
    client = meet(Doorman("publickey"))
    with pytest.raises(SshError) as caught:
        Login(client, replace(SETTINGS, identity_files=files), Person().ask).run()
    assert str(key) in str(caught.value)
    assert "broken (cannot be read)" in str(caught.value)
