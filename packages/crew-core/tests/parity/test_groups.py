"""Groups: several controllers used as one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import crew_core as crew
from crew_core._model.names import random_name

Make = Callable[..., crew.Controller]

SECONDS = 60


@pytest.fixture(scope="module")
def shared(state_home: object) -> Iterator[crew.ControllerGroup]:
    """A group of two for all tests of the module, each with one worker."""
    members = [crew.controller("local", name=f"{letter}-{random_name()}") for letter in "ab"]
    with crew.ControllerGroup(*members) as group:
        yield group


@pytest.fixture
def group(shared: crew.ControllerGroup) -> Iterator[crew.ControllerGroup]:
    """The module's group, empty."""
    yield shared
    shared.cancel(all=True)
    assert shared.wait(seconds_timeout=SECONDS)
    shared.collect()


def test_a_task_runs_in_a_process_of_the_member_it_was_pushed_to(
    group: crew.ControllerGroup,
) -> None:
    a, b = group
    group.push(os.getpid, name="default")
    group.push(os.getpid, name="named", controller=b)
    assert group.wait(seconds_timeout=SECONDS)
    records = {record.name: record for record in group.results()}
    assert (records["default"].controller, records["named"].controller) == (a, b)
    assert records["default"].result == records["default"].pid
    assert records["default"].pid != records["named"].pid


def test_the_summary_has_the_rows_of_all_members(group: crew.ControllerGroup) -> None:
    for name in group:
        group.push("1", controller=name)
    assert group.wait(seconds_timeout=SECONDS)
    assert list(group.summary().controller) == list(group)


def test_members_that_are_started_already_are_welcome() -> None:
    started = crew.controller("local", name=random_name())
    with started:
        client = started.client
        with crew.ControllerGroup(started, crew.controller("local", name=random_name())) as group:
            assert group.started
            assert started.client is client
        assert group.pop() is None


def test_size_and_empty_are_asked_of_all_members_or_of_some(
    group: crew.ControllerGroup, gate: Any
) -> None:
    a, b = group
    group.push(gate.hold, controller=b)
    assert (group.size, group.empty, group.nonempty) == (1, False, True)
    assert (group.only(a).size, group.only(a).empty, group.only(a).nonempty) == (0, True, False)
    assert (group.only(b).size, group.only(b).unresolved) == (1, 1)
    gate.open()


def test_collect_takes_what_is_done_in_any_member_and_leaves_what_runs(
    group: crew.ControllerGroup, gate: Any
) -> None:
    a, b = group
    group.walk("x", {"x": [1, 2]}, controller=a)
    group.push(gate.hold, controller=b)
    gate.wait_for(1)
    assert group.wait(seconds_timeout=SECONDS, controllers=a)
    table = group.collect()
    assert table is not None
    assert list(table.result) == [1, 2]
    assert group.collect() is None
    gate.open()
    assert group.wait(seconds_timeout=SECONDS)
    table = group.collect()
    assert table is not None
    assert list(table.controller) == [b]


def test_wait_answers_as_that_of_one_controller(group: crew.ControllerGroup, gate: Any) -> None:
    a, b = group
    assert group.wait("all") is True
    assert group.wait("one") is False
    group.push(gate.hold, controller=b)
    assert group.wait("one", seconds_timeout=0.2) is False
    assert group.wait("all", seconds_timeout=0.2) is False
    group.push("1", controller=a)
    assert group.wait("one", seconds_timeout=SECONDS) is True
    assert group.wait("all", seconds_timeout=0) is False
    gate.open()
    assert group.wait("all", seconds_timeout=SECONDS) is True


def test_200_tasks_over_the_workers_of_two_members_all_come_back(
    group: crew.ControllerGroup,
) -> None:
    names = {str(i) for i in range(200)}
    for i, name in enumerate(sorted(names)):
        group.push(os.getpid, name=name, controller=list(group)[i % 2])
    seen = set()
    while group.nonempty:
        assert group.wait("one", seconds_timeout=SECONDS)
        record = group.pop()
        assert record is not None
        assert record.status == "success"
        seen.add(record.name)
    assert seen == names


def test_waiting_for_some_members_launches_for_no_other(make: Make) -> None:
    """In the original it does."""
    a, b = random_name(), random_name()
    group = crew.ControllerGroup(make(name=a), make(name=b))
    group.push("1", controller=a)
    group.push("1", controller=b, scale=False)
    assert group.wait(controllers=a, seconds_timeout=SECONDS)
    assert len(group[b].launcher.summary()) == 0


def leave() -> None:
    os._exit(3)


def test_a_chain_of_backups_within_a_group() -> None:
    names = [f"{letter}-{random_name()}" for letter in "abc"]
    members: list[crew.Controller] = []
    for name in reversed(names):
        backup = members[0] if members else None
        options = {"crashes_max": 2, "retry_tasks": False, "backup": backup}
        members.insert(0, crew.controller("local", name=name, **options))
    ran = []
    with crew.ControllerGroup(*members) as group:
        for _ in range(6):
            group.push(leave, name="bad")
            assert group.wait(seconds_timeout=SECONDS)
            record = group.pop()
            assert record is not None
            assert record.status == "crash"
            ran.append(record.controller)
        crashes = [group.crashes("bad", controllers=name) for name in names]
        summary = group.summary()
    assert ran == [name for name in names for _ in range(2)]
    assert crashes == [2, 2, 2]
    assert dict(zip(summary.controller, summary.crash, strict=True)) == dict.fromkeys(names, 2)
