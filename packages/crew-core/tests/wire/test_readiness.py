"""The selector of the loops: who has something to say is told, and nobody else."""

from __future__ import annotations

import select
import selectors
import socket
from collections.abc import Iterator

import pytest

from crew_core._wire.readiness import EpollSelector, make_selector

pytestmark = pytest.mark.skipif(not hasattr(select, "epoll"), reason="this system has no epoll")


@pytest.fixture
def selector() -> Iterator[EpollSelector]:
    selector = EpollSelector()
    yield selector
    selector.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


Pair = tuple[socket.socket, socket.socket]


def told(selector: EpollSelector, seconds: float = 60) -> list[object]:
    return [key.data for key, _ in selector.select(seconds)]


def test_it_is_what_is_used_here() -> None:
    with make_selector() as selector:
        assert isinstance(selector, EpollSelector)


def test_what_can_be_read_is_told_with_what_it_was_registered_with(
    selector: EpollSelector, pair: Pair
) -> None:
    ours, theirs = pair
    selector.register(ours, selectors.EVENT_READ, "ours")
    selector.register(theirs.fileno(), selectors.EVENT_READ, "theirs")
    assert told(selector, 0) == []
    theirs.send(b"x")
    assert told(selector) == ["ours"]


def test_who_waits_for_room_is_told_only_while_that_is_asked_for(
    selector: EpollSelector, pair: Pair
) -> None:
    ours, _ = pair
    selector.register(ours, selectors.EVENT_READ, 1)
    assert told(selector, 0) == []
    selector.modify(ours, selectors.EVENT_READ | selectors.EVENT_WRITE, 2)
    assert told(selector) == [2]
    selector.modify(ours, selectors.EVENT_READ, 3)
    assert told(selector, 0) == []


def test_the_end_of_the_other_side_is_told(selector: EpollSelector, pair: Pair) -> None:
    ours, theirs = pair
    selector.register(ours, selectors.EVENT_READ, "ours")
    theirs.close()
    assert told(selector) == ["ours"]


def test_who_is_no_longer_watched_is_not_told(selector: EpollSelector, pair: Pair) -> None:
    ours, theirs = pair
    selector.register(ours, selectors.EVENT_READ, "ours")
    theirs.send(b"x")
    selector.unregister(ours)
    assert told(selector, 0) == []
    assert not selector.get_map()


def test_all_that_are_ready_are_told_at_once(selector: EpollSelector) -> None:
    pairs = [socket.socketpair() for _ in range(100)]
    for number, (ours, theirs) in enumerate(pairs):
        selector.register(ours, selectors.EVENT_READ, number)
        theirs.send(b"x")
    assert sorted(map(str, told(selector))) == sorted(map(str, range(100)))
    for ours, theirs in pairs:
        ours.close()
        theirs.close()
