"""Where workers go, and how hosts that failed are set aside and come back."""

from __future__ import annotations

from crew_ssh._hosts.book import (
    LONGEST_PAUSE_SECONDS,
    PAUSE_SECONDS_WITH_WORKERS,
    Book,
    order,
    shown,
)


def book(pack: bool = False, **slots: int | None) -> Book:
    return Book(slots, pack=pack)


def test_workers_are_spread_to_where_most_room_is() -> None:
    assert book(a=2, b=2, c=2).place(4, 0) == {"a": 2, "b": 1, "c": 1}
    assert book(a=1, b=4).place(4, 0) == {"a": 1, "b": 3}


def test_workers_are_packed_in_the_users_order() -> None:
    assert book(pack=True, a=2, b=2, c=2).place(3, 0) == {"a": 2, "b": 1}


def test_there_are_never_more_than_slots() -> None:
    hosts = book(a=2, b=1)
    hosts.hosts["a"].workers = 1
    assert hosts.place(10, 0) == {"a": 1, "b": 1}


def test_hosts_are_asked_for_their_slots_when_that_matters() -> None:
    assert book(a=None, b=2).to_ask(1, 0) == ["a"]
    assert book(a=None, b=2).to_ask(0, 0) == []
    packed = book(pack=True, a=2, b=None, c=None)
    assert packed.to_ask(2, 0) == []
    assert packed.to_ask(3, 0) == ["b"]


def test_a_host_that_fails_is_set_aside_ever_longer_and_comes_back() -> None:
    hosts = book(a=2, b=2)
    now, pauses = 0.0, []
    for _ in range(10):
        hosts.failed("a", now, "no route")
        assert hosts.usable(now) == ["b"]
        pauses.append(hosts.hosts["a"].until - now)
        now = hosts.hosts["a"].until
        assert hosts.usable(now) == ["a", "b"], "its time has come"
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    hosts.worked("a")
    hosts.failed("a", now, "no route")
    assert hosts.hosts["a"].until == now + 1


def test_a_host_with_workers_is_tried_often() -> None:
    hosts = book(a=2)
    hosts.hosts["a"].workers = 1
    for _ in range(5):
        hosts.failed("a", 0, "no route")
    assert hosts.hosts["a"].until == PAUSE_SECONDS_WITH_WORKERS


def test_the_share_of_a_failed_host_goes_elsewhere() -> None:
    hosts = book(a=2, b=2)
    hosts.failed("a", 0, "no route")
    assert hosts.place(4, 0) == {"b": 2}


def test_it_is_hopeless_when_no_host_will_come_back_by_waiting() -> None:
    hosts = book(a=2, b=2)
    hosts.failed("a", 0, "wrong key", hopeless=True)
    assert not hosts.is_hopeless(0), "b is there"
    hosts.failed("b", 0, "no route")
    assert not hosts.is_hopeless(0), "b may come back"
    hosts.failed("b", 0, "wrong key", hopeless=True)
    assert hosts.is_hopeless(0)


def test_a_full_host_is_no_failure() -> None:
    hosts = book(a=2)
    hosts.full("a", 0)
    assert hosts.usable(0) == []
    assert hosts.errors(0) == {}
    assert hosts.usable(1) == ["a"]


def test_the_same_error_of_several_hosts_is_shown_once() -> None:
    text = shown({"a1": "cannot reach a1: no route", "b2": "cannot reach b2: no route"})
    assert text == "cannot reach a1: no route (and so for b2)"


def test_workers_go_in_order() -> None:
    assert order(["x", "y", "z"], {"b": 2, "a": 1}) == [("b", ["x", "y"]), ("a", ["z"])]
