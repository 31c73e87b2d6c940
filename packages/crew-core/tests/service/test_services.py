"""Services and their callers: who is let in, what is answered, and what a break costs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import crew_core as crew
from crew_core._wire.places import make_controller_directory
from crew_core.services import (
    Caller,
    Pass,
    Service,
    ServiceKeys,
    ServiceLostError,
    ServiceRefusedError,
)

SECONDS = 30.0
LOOPBACK = crew.NetworkOptions(host="127.0.0.1")

Answer = Callable[[Sequence[bytes]], Sequence[bytes]]


def shout(requests: Sequence[bytes]) -> list[bytes]:
    return [request.upper() for request in requests]


@pytest.fixture
def path() -> Iterator[Path]:
    folder = make_controller_directory()
    yield folder / "socket"
    for left in folder.iterdir():
        left.unlink()
    folder.rmdir()


@pytest.fixture
def serve(path: Path) -> Iterator[Callable[..., Pass]]:
    """Start a service; a pass to it."""
    services: list[Service] = []

    def start(answer: Answer = shout, *, abroad: bool = False) -> Pass:
        keys = ServiceKeys.make(LOOPBACK if abroad else None)
        services.append(Service(answer, keys))
        return keys.pass_to(
            services[-1].listen_abroad()[0] if abroad else services[-1].listen_here(path)
        )

    yield start
    for service in services:
        service.close()


@pytest.fixture
def call() -> Iterator[Callable[[Pass], Caller]]:
    callers: list[Caller] = []

    def make(key: Pass) -> Caller:
        callers.append(Caller(key))
        return callers[-1]

    yield make
    for caller in callers:
        caller.close()


@pytest.mark.parametrize("abroad", [False, True])
def test_requests_are_answered_in_turn(
    serve: Callable[..., Pass], call: Callable[[Pass], Caller], abroad: bool
) -> None:
    caller = call(serve(abroad=abroad))
    assert [caller.call(word, SECONDS) for word in (b"one", b"two", b"")] == [b"ONE", b"TWO", b""]


@pytest.mark.parametrize("abroad", [False, True])
def test_large_requests_and_replies_come_whole(
    serve: Callable[..., Pass], call: Callable[[Pass], Caller], abroad: bool
) -> None:
    caller = call(serve(abroad=abroad))
    request = b"abc" * (5 << 20)
    assert caller.call(request, SECONDS) == request.upper()


def test_threads_share_a_caller(serve: Callable[..., Pass], call: Callable[[Pass], Caller]) -> None:
    caller = call(serve())
    replies: dict[int, bytes] = {}

    def ask(number: int) -> None:
        for _ in range(50):
            replies[number] = caller.call(b"n%d" % number, SECONDS)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == {number: b"N%d" % number for number in range(4)}


@pytest.mark.parametrize("abroad", [False, True])
def test_wrong_secret_is_refused_with_reason(
    serve: Callable[..., Pass], call: Callable[[Pass], Caller], abroad: bool
) -> None:
    key = serve(abroad=abroad)
    with pytest.raises(ServiceRefusedError, match="its secret is not"):
        call(replace(key, secret="guess")).call(b"x", SECONDS)
    assert call(key).call(b"x", SECONDS) == b"X"


def test_certificate_of_another_service_does_not_open(
    serve: Callable[..., Pass], call: Callable[[Pass], Caller]
) -> None:
    asked: list[bytes] = []

    def note(requests: Sequence[bytes]) -> Sequence[bytes]:
        asked.extend(requests)
        return requests

    key = serve(note, abroad=True)
    foreign = ServiceKeys.make(LOOPBACK).pass_to(key.url)
    with pytest.raises(ServiceLostError):
        call(replace(foreign, secret=key.secret)).call(b"x", timeout=1.0)
    assert asked == []


def test_service_that_is_not_there_is_given_up_in_time(
    path: Path, call: Callable[[Pass], Caller]
) -> None:
    with pytest.raises(ServiceLostError, match=r"within 0\.2 s"):
        call(Pass(url=f"unix://{path}", secret="s")).call(b"x", timeout=0.2)


@pytest.mark.parametrize("abroad", [False, True])
def test_caller_waits_for_a_service_that_comes_back(path: Path, abroad: bool) -> None:
    keys = ServiceKeys.make(LOOPBACK if abroad else None)
    first = Service(shout, keys)
    if abroad:
        url, port = first.listen_abroad()
        keys = keys.at_port(port)
    else:
        url = first.listen_here(path)
    caller = Caller(keys.pass_to(url))
    assert caller.call(b"one", SECONDS) == b"ONE"
    first.close()
    second = Service(shout, ServiceKeys.from_bytes(keys.to_bytes()))

    def come_back() -> None:
        time.sleep(0.3)  # the caller is to have met nobody
        if abroad:
            second.listen_abroad()
        else:
            second.listen_here(path)

    thread = threading.Thread(target=come_back)
    thread.start()
    assert caller.call(b"two", SECONDS) == b"TWO"
    thread.join()
    caller.close()
    second.close()


def test_forked_child_goes_on_with_a_connection_of_its_own(
    serve: Callable[..., Pass], call: Callable[[Pass], Caller]
) -> None:
    caller = call(serve())
    assert caller.call(b"parent", SECONDS) == b"PARENT"
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if caller.call(b"child", SECONDS) == b"CHILD" else 1)
        finally:
            os._exit(2)
    assert caller.call(b"parent", SECONDS) == b"PARENT"
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert caller.call(b"parent", SECONDS) == b"PARENT"


def test_closed_caller_says_so(serve: Callable[..., Pass]) -> None:
    caller = Caller(serve())
    caller.close()
    with pytest.raises(ServiceLostError, match="closed here"):
        caller.call(b"x")


def test_secrets_show_nowhere() -> None:
    keys = ServiceKeys.make(LOOPBACK)
    key = keys.pass_to("tls+tcp://127.0.0.1:1")
    for shown in (repr(keys), repr(key), str(key)):
        assert keys.secret not in shown
        assert key.identity not in shown


def test_service_without_keys_for_a_network_opens_no_port() -> None:
    service = Service(shout, ServiceKeys.make())
    with pytest.raises(crew.ConfigError, match="network="):
        service.listen_abroad()
    service.close()
