"""Workers on hosts that come and go, as the carrier looks after them; the hosts are played."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import pytest

from crew_ssh._connection.errors import SshError
from crew_ssh._hosts.host import Host
from crew_ssh._hosts.placing import GRACE_SECONDS
from crew_ssh._hosts.yard import Yard
from crew_ssh._options.hosts import HostOptions
from testbeds.waiting import until

SECONDS = 20.0


class Played:
    """A host without SSH: starts workers, and fails when it is told to.

    Args:
        name: what the user calls it.
        slots: how many workers it takes.
    """

    def __init__(self, name: str, slots: int | None = 2) -> None:
        self.options = HostOptions(host=name, slots=slots)
        self.slots = slots or 3
        self.error: SshError | None = None
        self.hangs = threading.Event()
        self.hangs.set()
        self.is_asked = threading.Event()
        self.states: dict[str, dict[str, Any]] = {}

    def prepare(self, workers: Sequence[Mapping[str, Any]]) -> None:
        self._may_fail()

    def start(self, controller: str, workers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        self._may_fail()
        answers: list[dict[str, Any]] = []
        for worker in workers:
            running = sum(state["state"] == "running" for state in self.states.values())
            if running >= self.slots:
                answers.append({"full": True})
                continue
            self.states[worker["name"]] = {"state": "running"}
            answers.append({"pid": 100 + len(self.states)})
        return answers

    def poll(self, names: Sequence[str]) -> list[dict[str, Any]]:
        self._may_fail()
        return [self.states.get(name, {"state": "gone"}) for name in names]

    def end(self, names: Sequence[str]) -> None:
        self._may_fail()
        for name in names:
            self.states[name] = {"state": "ended", "code": None, "told": True}

    def mirror(self, known: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
        return []

    def find(self, names: Sequence[str]) -> list[str]:
        self._may_fail()
        return [name for name in names if name in self.states]

    def close(self) -> None:
        self.hangs.set()

    def finish(self, name: str, code: int = 0) -> None:
        """A worker of its ends."""
        self.states[name] = {"state": "ended", "code": code, "told": False}

    def _may_fail(self) -> None:
        self.is_asked.set()
        self.hangs.wait(SECONDS)
        if self.error is not None:
            raise self.error


class Clock:
    """Time that a test turns."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hosts() -> dict[str, Played]:
    return {name: Played(name) for name in ("a", "b")}


@pytest.fixture
def yard(hosts: dict[str, Played], clock: Clock) -> Iterator[Yard]:
    made = Yard(cast("dict[str, Host]", hosts), pack=False, clock=clock)
    made.watch()
    yield made
    made.close()


def orders(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "instance": name, "argv": ["true"], "env": {}} for name in names]


def state(yard: Yard, told: Mapping[str, Any]) -> str:
    return str(yard.poll([told])[0]["state"])


def test_each_worker_is_on_one_host_and_the_rest_wait(yard: Yard) -> None:
    told = yard.launch("c", orders("1", "2", "3", "4", "5"))
    assert sorted(str(each["host"]) for each in told) == ["None", "a", "a", "b", "b"]
    assert [state(yard, each) for each in told] == ["running"] * 4 + ["pending"]


def test_who_waits_starts_where_another_has_ended(yard: Yard, hosts: dict[str, Played]) -> None:
    told = yard.launch("c", orders("1", "2", "3", "4", "5"))
    hosts["b"].finish(next(iter(hosts["b"].states)))
    until(lambda: state(yard, told[4]) == "running", SECONDS)
    assert "5" in hosts["b"].states


def test_who_waits_can_be_ended_and_never_starts(yard: Yard, hosts: dict[str, Played]) -> None:
    told = yard.launch("c", orders("1", "2", "3", "4", "5"))
    yard.end([told[4]])
    assert state(yard, told[4]) == "cancelled"
    hosts["a"].finish("1")
    until(lambda: state(yard, told[0]) == "finished", SECONDS)
    assert "5" not in hosts["a"].states


def test_who_has_ended_is_forgotten_in_time_also_if_it_never_started(
    yard: Yard, hosts: dict[str, Played], clock: Clock
) -> None:
    told = yard.launch("c", orders("1", "2", "3", "4", "5"))
    yard.end([told[4]])
    clock.now += 1000
    until(lambda: "5" not in yard._workers, SECONDS)
    assert sorted(yard._workers) == ["1", "2", "3", "4"]


def test_the_share_of_a_host_that_fails_goes_elsewhere(
    yard: Yard, hosts: dict[str, Played]
) -> None:
    hosts["a"].error = SshError("a is away", transient=True)
    told = yard.launch("c", orders("1", "2"))
    assert [each["host"] for each in told] == ["b", "b"]


def test_a_host_comes_back_after_its_pause(
    yard: Yard, hosts: dict[str, Played], clock: Clock
) -> None:
    hosts["a"].error = SshError("a is away", transient=True)
    told = yard.launch("c", orders("1", "2", "3"))
    (waiting,) = (each for each in told if each["host"] is None)
    assert "a is away" in yard.poll([waiting])[0]["reason"]
    hosts["a"].error = None
    clock.now += 1000
    until(lambda: state(yard, waiting) == "running", SECONDS)
    assert waiting["name"] in hosts["a"].states


def test_no_host_left_is_an_error_which_says_why(yard: Yard, hosts: dict[str, Played]) -> None:
    for name, host in hosts.items():
        host.error = SshError(f"{name} does not let us in", transient=False)
    with pytest.raises(SshError, match="a does not let us in") as caught:
        yard.launch("c", orders("1"))
    assert not caught.value.transient


def test_workers_of_a_host_that_is_lost_are_lost_with_it(
    yard: Yard, hosts: dict[str, Played], clock: Clock
) -> None:
    told = yard.launch("c", orders("1", "2"))
    hosts["a"].error = SshError("a is away", transient=True)
    until(lambda: yard.poll([told[0]])[0].get("cause") == "node_lost", SECONDS)
    assert state(yard, told[1]) == "running"
    hosts["a"].error = None
    clock.now += 1000
    until(lambda: state(yard, told[0]) == "running", SECONDS)


def test_a_host_that_hangs_holds_up_none_but_its_own(yard: Yard, hosts: dict[str, Played]) -> None:
    told = yard.launch("c", orders("1", "2"))
    hosts["a"].hangs.clear()
    hosts["b"].finish("2", code=3)
    until(lambda: yard.poll([told[1]])[0].get("cause") == "exit 3", SECONDS)


def test_a_host_that_hangs_loses_its_share_to_others(
    yard: Yard, hosts: dict[str, Played], clock: Clock
) -> None:
    hosts["a"].hangs.clear()
    launched: list[dict[str, Any]] = []
    launch = threading.Thread(target=lambda: launched.extend(yard.launch("c", orders("1", "2"))))
    launch.start()
    until(lambda: "2" in hosts["b"].states, SECONDS)
    clock.now += GRACE_SECONDS + 1
    launch.join(SECONDS)
    assert not launch.is_alive(), "it does not wait for who hangs"
    until(lambda: "1" in hosts["b"].states, SECONDS)
    hosts["a"].hangs.set()
    (told,) = yard.launch("c", orders("3"))
    until(lambda: state(yard, told) == "running", SECONDS)
    assert list(hosts["a"].states) == ["3"], "what others have started is not started twice"
    assert [each["name"] for each in launched] == ["1", "2"]


def test_a_launch_waits_for_the_only_host_there_is(clock: Clock) -> None:
    host = Played("a")
    host.hangs.clear()
    yard = Yard(cast("dict[str, Host]", {"a": host}), pack=False, clock=clock)
    yard.watch()
    errors: list[SshError] = []

    def launch() -> None:
        try:
            yard.launch("c", orders("1"))
        except SshError as error:
            errors.append(error)

    thread = threading.Thread(target=launch)
    thread.start()
    assert host.is_asked.wait(SECONDS)
    clock.now += GRACE_SECONDS + 1
    host.error = SshError("a is away", transient=True)
    host.hangs.set()
    thread.join(SECONDS)
    assert [str(error) for error in errors] == ["a is away"]
    yard.close()


def test_who_is_about_to_start_is_ended_too(yard: Yard, hosts: dict[str, Played]) -> None:
    told = yard.launch("c", orders("1", "2", "3", "4", "5"))
    began, may = threading.Event(), threading.Event()
    plain = hosts["b"].start

    def slow(controller: str, workers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        began.set()
        may.wait(SECONDS)
        return plain(controller, workers)

    hosts["b"].start = slow  # type: ignore[method-assign]
    hosts["b"].finish("3")
    assert began.wait(SECONDS)
    end = threading.Thread(target=yard.end, args=([told[4]],))
    end.start()
    may.set()
    end.join(SECONDS)
    assert hosts["b"].states["5"]["state"] == "ended"
    assert state(yard, told[4]) == "cancelled"


def test_who_has_ended_is_not_brought_back_by_a_late_answer(
    yard: Yard, hosts: dict[str, Played]
) -> None:
    asked, may = threading.Event(), threading.Event()
    polls: list[list[str]] = []
    plain = hosts["a"].poll

    def slow(names: Sequence[str]) -> list[dict[str, Any]]:
        polls.append(list(names))
        told = plain(names)
        if len(polls) == 1:
            asked.set()
            may.wait(SECONDS)
        return told

    hosts["a"].poll = slow  # type: ignore[method-assign]
    told = yard.launch("c", orders("1", "2", "3"))
    ended, goes_on = (each for each in told if each["host"] == "a")
    assert asked.wait(SECONDS)
    yard.end([ended])
    hosts["a"].finish(goes_on["name"])
    may.set()
    until(lambda: state(yard, goes_on) == "finished", SECONDS)
    assert polls[1:] == [[ended["name"]], [goes_on["name"]]]
    assert state(yard, ended) == "cancelled"


def test_workers_of_another_process_are_known_by_their_hosts(
    yard: Yard, hosts: dict[str, Played]
) -> None:
    hosts["b"].states["theirs"] = {"state": "running"}
    assert yard.find(["theirs", "nobodys"]) == [{"name": "theirs", "host": "b", "pid": None}]
    handle = {"name": "theirs", "host": "b", "pid": 7}
    assert state(yard, handle) == "running"
    yard.end([handle])
    assert state(yard, handle) == "cancelled"


def test_nobody_is_idle_while_workers_wait_or_run(yard: Yard, clock: Clock) -> None:
    told = yard.launch("c", orders("1"))
    clock.now += 1000
    assert not yard.is_idle
    yard.end(told)
    assert not yard.is_idle, "not at once: another launch may follow"
    clock.now += 1000
    assert yard.is_idle
