"""A budget in worker-hours: what it counts, and what happens when it is used up."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import crew_core as crew
from crew_core._controller.budget import Budget
from crew_core._controller.roster import Roster
from crew_core._controller.scaling import Snapshot, plan
from crew_core._model.states import InstanceState

Make = Callable[..., crew.Controller]

SECONDS = 90


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def roster(clock: Clock) -> Roster:
    return Roster(clock)


# ── What counts ─────────────────────────────────────────────────────────────────────────────────


def test_a_worker_counts_from_when_it_connects_until_it_has_left(
    clock: Clock, roster: Roster
) -> None:
    (row,) = roster.reserve(1, manual=False)
    clock.now = 10.0  # pending: nobody pays for that
    roster.came_online(row.instance, 7, "here")
    clock.now = 25.0
    assert (roster.seconds_used(), roster.working()) == (15.0, 1)
    roster.end(row.instance, InstanceState.EXITED, "idle")
    clock.now = 100.0
    assert (roster.seconds_used(), roster.working()) == (15.0, 0)


def test_what_its_platform_says_to_run_counts_before_it_connects(
    clock: Clock, roster: Roster
) -> None:
    (row,) = roster.reserve(1, manual=False)
    roster.note_running(row)
    clock.now = 5.0
    roster.note_running(row)
    roster.came_online(row.instance, 7, "here")
    clock.now = 8.0
    assert roster.seconds_used() == 8.0
    roster.end(row.instance, InstanceState.LOST, "crash")
    roster.note_running(row)
    clock.now = 20.0
    assert roster.seconds_used() == 8.0


def test_several_workers_of_one_slot_add_up(clock: Clock, roster: Roster) -> None:
    for _ in range(2):
        (row,) = roster.reserve(1, manual=False)
        roster.came_online(row.instance, 7, "here")
        clock.now += 3.0
        roster.end(row.instance, InstanceState.EXITED, "idle")
    assert roster.seconds_used(1) == roster.seconds_used() == 6.0


def test_a_budget_says_once_that_it_is_used_up_and_how_long_it_lasts() -> None:
    used: list[float] = [0.0]
    told: list[object] = []
    budget = Budget("c", 2.0, lambda: used[0], lambda: 4, told.append, lambda: told.append("look"))
    assert (budget.look(), budget.seconds_left()) == (False, 1800.0)
    used[0] = 7200.0
    assert [budget.look(), budget.look()] == [True, False]
    assert told == [False, "look"]
    assert "budget_hours=2" in str(budget.error)
    assert not budget.change(1.5)
    assert budget.change(3.0)
    assert (budget.error, budget.seconds_left()) == (None, 900.0)
    assert told == [False, "look", True]


def test_without_a_budget_nothing_is_ever_used_up() -> None:
    budget = Budget("c", math.inf, lambda: 1e12, lambda: 4, lambda on: None, lambda: None)
    assert (budget.look(), budget.seconds_left()) == (False, math.inf)


# ── When it is used up ──────────────────────────────────────────────────────────────────────────


def test_the_running_task_is_let_end_and_the_others_wait_until_there_is_more(
    make: Make, gate: Any, caplog: pytest.LogCaptureFixture
) -> None:
    controller = make(workers=1)
    running = controller.push(gate.hold, ("done",), name="running")
    waiting = [controller.push("1 + 1") for _ in range(5)]
    gate.wait_for(1)
    wait_until_known(controller)
    controller.budget_hours = controller.hours_used
    crew.retry(lambda: "used their budget" in caplog.text, seconds_interval=0.01)
    controller.launcher.summary()  # the dispatcher answers in turn: it has heard of the budget
    gate.open()
    assert running.result(SECONDS) == "done"
    with pytest.raises(crew.LaunchError, match="budget_hours"):
        controller.wait(seconds_timeout=SECONDS)
    assert not any(task.done() for task in waiting)
    with pytest.raises(crew.LaunchError, match="budget_hours"):
        controller.push("2 + 2")
    with pytest.raises(crew.LaunchError, match="budget_hours"):
        controller.launch()
    table = controller.launcher.summary()
    assert table["reason"].tolist() == ["budget"]
    assert 0 < table["hours"].sum() <= controller.hours_used
    controller.budget_hours = 1
    assert controller.wait(seconds_timeout=SECONDS)
    assert [task.result() for task in waiting] == [2] * 5
    assert [task.record.attempts for task in (running, waiting[0]) if task.record] == [1, 1]


def test_it_is_used_up_by_time_alone(make: Make) -> None:
    controller = make(workers=1, budget_hours=1)
    assert controller.push("1 + 1").result(SECONDS) == 2
    for _ in range(600):  # a minute's work
        controller.push("import time; time.sleep(0.1)")
    budget = controller.hours_used + 0.3 / 3600
    controller.budget_hours = budget
    with pytest.raises(crew.LaunchError, match="budget_hours"):
        controller.wait(seconds_timeout=SECONDS)
    assert controller.unresolved > 0
    crew.retry(lambda: not controller.launcher.summary()["online"].any(), seconds_interval=0.01)
    assert controller.hours_used >= budget


def test_it_is_used_up_while_launches_wait_for_others(
    make: Make, gate: Any, caplog: pytest.LogCaptureFixture
) -> None:
    controller = make(workers=2, seconds_interval=600)
    controller.push(gate.hold, (1,))
    gate.wait_for(1)
    controller.push(gate.hold, (2,))
    wait_until_known(controller)
    controller.budget_hours = controller.hours_used
    crew.retry(lambda: "used their budget" in caplog.text, seconds_interval=0.01)


def test_more_budget_keeps_workers_that_were_about_to_leave(make: Make, gate: Any) -> None:
    controller = make(workers=1)
    controller.push(gate.hold, (1,))
    gate.wait_for(1)
    wait_until_known(controller)
    controller.budget_hours = controller.hours_used
    assert is_used_up(controller)
    controller.budget_hours = math.inf
    controller.launcher.summary()  # the dispatcher answers in turn: it has heard of the budget
    gate.open()
    assert controller.push("1 + 1").result(SECONDS) == 2
    assert controller.launcher.summary()["launches"].tolist() == [1]


def wait_until_known(controller: crew.Controller) -> None:
    """The controller hears of a worker a moment after it has come."""
    crew.retry(
        lambda: bool(controller.launcher.summary()["discovered"].all()), seconds_interval=0.01
    )


def is_used_up(controller: crew.Controller) -> bool:
    try:
        controller.scale()
    except crew.LaunchError as error:
        return "budget_hours" in str(error)
    return False


def test_each_member_of_a_group_keeps_to_its_own(controller_name: str, gate: Any) -> None:
    poor = crew.controller("local", name=f"{controller_name}-a", budget_hours=2)
    rich = crew.controller("local", name=f"{controller_name}-b", budget_hours=3)
    with crew.ControllerGroup(poor, rich) as group:
        assert group.budget_hours == 5
        assert group.hours_used == 0
        group.push(gate.hold, (1,), controller=poor.name)
        gate.wait_for(1)
        wait_until_known(poor)
        assert group.hours_used == pytest.approx(poor.hours_used, abs=0.01)
        poor.budget_hours = poor.hours_used
        assert is_used_up(poor)
        assert group.push("1 + 1", controller=rich.name).result(SECONDS) == 2
        gate.open()


@pytest.mark.parametrize("hours", [0, -1, math.nan])
def test_an_impossible_budget_is_refused_while_running_too(make: Make, hours: float) -> None:
    controller = make()
    with pytest.raises(crew.ConfigError, match="budget_hours"):
        controller.budget_hours = hours


def test_without_workers_nothing_is_used() -> None:
    with crew.controller("sequential", budget_hours=1e-9) as controller:
        assert controller.push("1 + 1").result() == 2
        assert controller.hours_used == 0


# ── Most pending launches ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("coming", "launched"), [(0, 3), (2, 1), (3, 0), (5, 0)])
def test_no_more_are_launched_than_may_be_pending(coming: int, launched: int) -> None:
    names = [f"w{i}" for i in range(coming)]
    snapshot = Snapshot(demand=50, online=10, coming=names, cancellable=names)
    assert plan(snapshot, 40, 0.0, pending_max=3).launch == launched


def test_who_is_connected_does_not_count_as_pending() -> None:
    assert plan(Snapshot(demand=50, online=30), 40, 0.0, pending_max=20).launch == 10
