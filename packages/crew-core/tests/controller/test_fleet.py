"""What becomes of launches, told the time by hand: no thread, no clock, no process."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import crew_core as crew
from crew_core._controller.brakes import Brakes
from crew_core._controller.budget import Budget
from crew_core._controller.fleet import Fleet
from crew_core._controller.launch_failures import LaunchFailures
from crew_core._controller.platform import Launched
from crew_core._controller.roster import Roster, Row
from crew_core._controller.throttle import Burst, Throttle
from crew_core._launcher.base import WorkerLaunch
from crew_core._model.states import InstanceState
from crew_core._wire import messages
from crew_core.plugins import JobState
from crew_core.testing import FakeLauncher

LAUNCH_SECONDS = 20.0
INTERVAL = 0.25


class Desk:
    """The platform and the dispatcher: what each was asked for, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.says: dict[str, JobState] = {}
        self.refusal: crew.LaunchError | None = None
        self.slow = False
        self.unanswered: list[Callable[[], None]] = []

    # What the platform is asked.

    def launch(
        self, rows: Sequence[Row], workers: tuple[WorkerLaunch, ...], done: Launched
    ) -> None:
        self.told.append(f"launch {_names(rows)}")
        if self.refusal is not None:
            raise self.refusal

        def answer() -> None:
            done(rows, [(row.instance, f"job {row.instance}") for row in rows])

        if self.slow:
            self.unanswered.append(answer)
        else:
            answer()

    def states(self, rows: Sequence[Row]) -> list[JobState]:
        return [self.says.get(row.instance, JobState.PENDING) for row in rows]

    def terminate(self, rows: Sequence[Row]) -> None:
        if rows:
            self.told.append(f"end {_names(rows)}")
        for row in rows:
            row.job_over = True

    def logs(self, row: Row, done: Callable[[str], None]) -> None:
        done("its last words")

    def withdraw(self) -> None: ...

    def settle(self, seconds: float) -> bool:
        return True

    def close(self) -> None: ...

    def abandon(self) -> None: ...

    # What the dispatcher is told.

    def expect(self, workers: list[messages.ExpectedWorker]) -> None:
        self.told.append(f"expect {' '.join(worker.instance for worker in workers)}")

    def forget(self, instances: Sequence[str]) -> None:
        self.told.append(f"forget {' '.join(instances)}")

    def tell_over(self, instances: Sequence[str]) -> None:
        self.told.append(f"over {' '.join(instances)}")


class Bench:
    """A fleet, and the time that it is told."""

    def __init__(
        self,
        workers: int = 3,
        launch_max: int = 5,
        budget_hours: float = math.inf,
        pending_max: float = math.inf,
    ) -> None:
        self.budget_hours = budget_hours
        self.cannot_make: OSError | None = None
        self.log: str | None = None
        self.now = 100.0
        self.demand = 0
        self.desk = Desk()
        numbers = iter("abcdefghijkl")
        self.roster = Roster(lambda: self.now, lambda: next(numbers))
        self.failures = LaunchFailures(launch_max, lambda: None, lambda: self.now, draw=lambda: 0.0)
        self.kicks = 0
        self.budget = self._budget()
        self.fleet = Fleet(
            controller="bench",
            platform=self.desk,
            launcher=FakeLauncher(),
            herald=self.desk,
            roster=self.roster,
            options=crew.ScalingOptions(
                workers=workers, seconds_launch=LAUNCH_SECONDS, pending_max=pending_max
            ),
            demand=lambda: self.demand,
            make_worker=self._make,
            brakes=Brakes(self.failures, self.budget, self._throttle()),
        )
        self.fleet.kick = self._kicked

    def round(self, seconds: float = 0.0) -> list[str]:
        """Let time pass and the fleet look; what it asked for."""
        self.now += seconds
        self.desk.told.clear()
        self.fleet.round(self.now, launch=True)
        return list(self.desk.told)

    def online(self, *names: str) -> None:
        for name in names:
            self.roster.came_online(name, 1, "here")

    def _budget(self) -> Budget:
        roster = self.roster
        return Budget(
            "bench",
            self.budget_hours,
            roster.seconds_used,
            roster.working,
            lambda on: self.desk.told.append("employ" if on else "dismiss"),
            lambda: None,
        )

    def _throttle(self) -> Throttle:
        return Throttle(INTERVAL, short_lived=False, gathers=lambda: False)

    def _make(self, row: Row, secret: str) -> WorkerLaunch:
        if self.cannot_make is not None:
            raise self.cannot_make
        row.log = self.log
        name = row.instance
        return WorkerLaunch(worker=row.worker, instance=name, name=name, argv=("x",))

    def _kicked(self) -> None:
        self.kicks += 1


def _names(rows: Sequence[Row]) -> str:
    return " ".join(row.instance for row in rows)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_dispatcher_expects_workers_before_they_are_launched(bench: Bench) -> None:
    bench.demand = 2
    assert bench.round() == ["expect a b", "launch a b"]
    assert bench.round(1.0) == []


def test_no_more_is_launched_than_is_missing_and_may_be(bench: Bench) -> None:
    bench.demand = 2
    bench.round()
    bench.demand = 100
    assert bench.fleet.is_full
    assert bench.round(1.0) == ["expect c", "launch c"]
    assert not bench.fleet.is_short


def test_no_more_are_on_their_way_than_may_be_and_others_follow_when_they_have_come() -> None:
    bench = Bench(workers=5, pending_max=2)
    bench.demand = 5
    assert bench.round() == ["expect a b", "launch a b"]
    assert bench.round(1.0) == []
    bench.online("a")
    assert bench.round(1.0) == ["expect c", "launch c"]
    bench.online("b", "c")
    assert bench.round(1.0) == ["expect d e", "launch d e"]


def test_once_a_budget_is_used_up_nobody_comes_any_more_until_there_is_another() -> None:
    bench = Bench(workers=2, budget_hours=10.0 / 3600)
    bench.demand = 2
    bench.round()
    bench.online("a")
    assert bench.round(9.0) == []
    assert bench.round(1.0) == ["dismiss", "forget b", "end b"]
    bench.roster.end("a", InstanceState.EXITED, "budget")
    assert bench.round(60.0) == []
    assert not bench.fleet.is_short
    bench.desk.told.clear()
    assert bench.budget.change(1.0)
    assert bench.desk.told == ["employ"]
    assert bench.round(1.0) == ["expect c d", "launch c d"]


def test_launches_keep_their_distance(bench: Bench) -> None:
    bench.demand = 1
    bench.round()
    bench.demand = 2
    assert bench.round(INTERVAL / 2) == []
    assert bench.round(INTERVAL) == ["expect b", "launch b"]


def test_a_launch_that_does_not_connect_is_given_up_and_another_follows(bench: Bench) -> None:
    bench.demand = 1
    bench.round()
    assert bench.round(LAUNCH_SECONDS) == []
    assert bench.round(0.1) == ["forget a", "end a"]
    assert "did not connect" in str(bench.failures.errors[-1])
    assert bench.failures.errors[-1].log_tail == "its last words"
    assert bench.kicks == 1
    assert bench.round(10.0) == ["expect b", "launch b"]


def test_a_job_that_ends_in_the_queue_is_noticed_at_once(bench: Bench) -> None:
    bench.demand = 1
    bench.round()
    bench.desk.says["a"] = JobState.FAILED
    assert bench.round(0.5) == ["forget a"]
    assert bench.roster.supply() == 0


def test_what_is_launched_and_not_needed_any_more_is_cancelled(bench: Bench) -> None:
    bench.demand = 3
    bench.round()
    bench.online("a")
    bench.demand = 2
    assert bench.round(1.0) == []
    assert bench.round(6.0) == ["forget c", "end c"]
    assert [row.instance for row in bench.roster.coming()] == ["b"]


def test_a_launch_that_is_cancelled_while_it_is_submitted_is_ended_later(bench: Bench) -> None:
    bench.desk.slow = True
    bench.demand = 1
    bench.round()
    bench.demand = 0
    bench.round(1.0)
    assert bench.round(6.0) == ["forget a"]
    bench.desk.told.clear()
    bench.desk.unanswered.pop()()
    assert bench.desk.told == ["end a"]


def test_a_refusal_is_raised_and_leaves_no_launch_behind(bench: Bench) -> None:
    bench.desk.refusal = crew.LaunchError("not today", transient=True)
    bench.demand = 1
    with pytest.raises(crew.LaunchError, match="not today"):
        bench.round()
    assert bench.desk.told[-1] == "forget a"
    assert bench.roster.supply() == 0
    assert bench.failures.in_a_row == 1


@pytest.mark.parametrize(("number", "passes"), [(errno.EMFILE, True), (errno.ENOENT, False)])
def test_a_worker_that_cannot_even_be_prepared_is_a_refused_launch(
    bench: Bench, number: int, passes: bool
) -> None:
    bench.cannot_make = OSError(number, os.strerror(number))
    bench.demand = 1
    with pytest.raises(crew.LaunchError, match=os.strerror(number)) as caught:
        bench.round()
    assert caught.value.transient is passes
    assert bench.roster.supply() == 0
    assert bench.failures.errors == [caught.value]


def test_a_launch_whose_log_cannot_be_read_is_given_up_all_the_same(
    bench: Bench, tmp_path: Path
) -> None:
    bench.log = str(tmp_path)  # opens for nobody
    bench.demand = 1
    bench.round()
    assert bench.round(LAUNCH_SECONDS + 1) == ["forget a", "end a"]
    assert "did not connect" in str(bench.failures.errors[-1])


def test_nothing_is_launched_once_too_many_launches_were_futile() -> None:
    bench = Bench(launch_max=1)
    bench.demand = 1
    bench.round()
    bench.round(LAUNCH_SECONDS + 1)
    assert bench.failures.error is not None
    assert bench.round(1000.0) == []
    assert not bench.fleet.is_short


def test_the_job_of_a_lost_worker_is_ended_at_once_and_that_of_another_later(bench: Bench) -> None:
    bench.demand = 2
    bench.round()
    bench.online("a", "b")
    bench.demand = 0
    bench.roster.end("a", InstanceState.LOST, "crash")
    bench.roster.end("b", InstanceState.EXITED, "idle")
    assert bench.round(1.0) == ["end a"]
    assert bench.round(9.0) == []
    assert bench.round(2.0) == ["end b"]
    assert bench.fleet.is_settled


def test_a_job_that_is_over_need_not_be_ended(bench: Bench) -> None:
    bench.demand = 1
    bench.round()
    bench.online("a")
    bench.demand = 0
    bench.roster.end("a", InstanceState.LOST, "crash")
    bench.desk.says["a"] = JobState.FINISHED
    assert bench.round(1.0) == []
    assert bench.fleet.is_settled


def test_a_worker_that_is_cut_off_and_whose_job_is_over_does_not_come_back(bench: Bench) -> None:
    bench.demand = 1
    bench.round()
    bench.online("a")
    bench.roster.note_cut("a", cut=True)
    assert bench.round(1.0) == []
    assert not bench.fleet.is_settled
    bench.desk.says["a"] = JobState.FAILED
    assert bench.round(1.0) == ["over a"]


def test_each_push_of_a_burst_puts_the_launch_off_until_they_are_enough() -> None:
    throttle = Throttle(INTERVAL, short_lived=False, gathers=lambda: False)
    burst = Burst(throttle, 10.0)
    first = burst.seconds_left(10.0, full=False)
    burst.note_push(10.0 + first)
    assert burst.seconds_left(10.0 + first, full=False) == pytest.approx(first)
    assert burst.seconds_left(10.0 + first, full=True) == 0
    burst.note_push(10.0 + INTERVAL)
    assert burst.seconds_left(10.0 + INTERVAL, full=False) == 0


def test_what_is_not_asked_for_by_the_plan_can_be_launched_by_hand(bench: Bench) -> None:
    bench.fleet.launch(2, manual=True)
    assert bench.desk.told == ["expect a b", "launch a b"]
    assert bench.round(60.0)[0] == "forget a"
