"""What becomes of launches, told the time by hand: no thread, no clock, no process."""

from __future__ import annotations

import errno
import logging
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import crew_core as crew
from crew_core._controller.brakes import Brakes
from crew_core._controller.budget import Budget
from crew_core._controller.escalation import Escalation
from crew_core._controller.fleet import Fleet
from crew_core._controller.launch_failures import LaunchFailures
from crew_core._controller.platform import Launched
from crew_core._controller.room import FULL_SECONDS
from crew_core._controller.roster import Roster, Row
from crew_core._controller.throttle import Burst, Throttle
from crew_core._controller.verdicts import VERDICT_SECONDS
from crew_core._launcher.report import JobReport, report_of
from crew_core._launcher.request import WorkerLaunch
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
        self.says: dict[str, JobState | JobReport] = {}
        self.refusal: crew.LaunchError | None = None
        self.room = math.inf
        self.slow = False
        self.unanswered: list[Callable[[], None]] = []

    # What the platform is asked.

    def launch(
        self, rows: Sequence[Row], workers: tuple[WorkerLaunch, ...], done: Launched
    ) -> None:
        self.told.append(f"launch {_names(rows)}")
        if self.refusal is not None:
            raise self.refusal
        if len(rows) > self.room:
            raise crew.LaunchError("your limit", transient=True, too_many=True)
        self.room -= len(rows)

        def answer() -> None:
            done(rows, [(row.instance, f"job {row.instance}") for row in rows])

        if self.slow:
            self.unanswered.append(answer)
        else:
            answer()

    def reports(self, rows: Sequence[Row]) -> list[JobReport]:
        return [report_of(self.says.get(row.instance, JobState.PENDING)) for row in rows]

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

    def tell_over(self, ends: Sequence[messages.JobEnd]) -> None:
        self.told.append(f"over {' '.join(f'{end.instance}:{end.cause}' for end in ends)}")

    def make_room(self, step: int, workers: int) -> None:
        self.told.append(f"room for {workers} of step {step}")


class Bench:
    """A fleet, and the time that it is told."""

    def __init__(
        self,
        workers: int = 3,
        launch_max: int = 5,
        budget_hours: float = math.inf,
        pending_max: float = math.inf,
        lives: Sequence[float] = (math.inf,),
    ) -> None:
        self.budget_hours = budget_hours
        self.cannot_make: OSError | None = None
        self.log: str | None = None
        self.now = 100.0
        self.demand = 0
        self.desk = Desk()
        numbers = iter("abcdefghijklmnopqrstuvwxyz")
        self.roster = Roster(lambda: self.now, lambda: next(numbers))
        self.failures = LaunchFailures(launch_max, lambda: None, lambda: self.now, draw=lambda: 0.0)
        self.escalation = Escalation(lives)
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
            escalation=self.escalation,
        )
        self.fleet.kick = self._kicked

    def round(self, seconds: float = 0.0) -> list[str]:
        """Let time pass and the fleet look; what it asked for."""
        self.now += seconds
        self.desk.told.clear()
        self.fleet.round(self.now, launch=True)
        return list(self.desk.told)

    def is_short(self) -> bool:
        return self.fleet.is_short

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


def test_a_platform_without_room_for_all_is_asked_for_fewer_until_it_is_full() -> None:
    bench = Bench(workers=6, launch_max=1)
    bench.demand, bench.desk.room = 6, 2
    asked = []
    for _ in range(8):
        asked += [told.count(" ") for told in bench.round(1.0) if told.startswith("launch")]
    assert asked == [6, 3, 1, 2, 1, 2, 1]
    assert bench.roster.supply() == 2
    assert bench.failures.error is None
    assert [str(error) for error in bench.failures.errors] == ["your limit"]


def test_a_full_platform_is_asked_again_after_a_while_and_for_more_as_it_takes_some() -> None:
    bench = Bench(workers=6)
    bench.demand, bench.desk.room = 6, 1
    for _ in range(8):
        bench.round(1.0)
    bench.online("j")
    bench.desk.room = 5
    assert bench.round(1.0) == []
    assert bench.fleet.is_short
    assert bench.round(FULL_SECONDS) == ["expect n", "launch n"]
    assert bench.round(1.0) == ["expect o p", "launch o p"]
    assert bench.round(1.0) == ["expect q r", "launch q r"]
    assert not bench.fleet.is_short


def test_a_platform_without_any_room_is_a_failure_in_the_end() -> None:
    bench = Bench(workers=2, launch_max=2)
    bench.demand, bench.desk.room = 2, 0
    assert "launch a b" in bench.round()
    with pytest.raises(crew.LaunchError, match="your limit"):
        bench.round(1.0)
    assert bench.failures.in_a_row == 1
    assert bench.round(1.0) == []
    with pytest.raises(crew.LaunchError, match="your limit"):
        bench.round(FULL_SECONDS)
    assert bench.failures.error is not None


def test_who_asks_by_hand_for_too_many_is_told_so(bench: Bench) -> None:
    bench.desk.room = 1
    with pytest.raises(crew.LaunchError, match="your limit"):
        bench.fleet.launch(2, manual=True)
    assert bench.failures.error is None


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
    assert bench.round(1.0) == ["over a:"]


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


# ── How workers died ───────────────────────────────────────────────────────────────────────────


def lose(bench: Bench, name: str, reason: str = "heartbeat_lost") -> None:
    assert bench.roster.end(name, InstanceState.LOST, reason, ask=True) is not None


def test_a_lost_workers_platform_is_asked_before_its_job_is_ended(bench: Bench) -> None:
    bench.demand = 1
    bench.round()
    bench.online("a")
    bench.demand = 0
    lose(bench, "a")
    bench.desk.says["a"] = JobState.RUNNING
    assert bench.round(1.0) == []
    assert not bench.fleet.is_settled
    bench.desk.says["a"] = JobReport(JobState.FAILED, "node_lost", "NODE_FAIL")
    assert bench.round(1.0) == ["over a:node_lost"]
    assert bench.round(1.0) == []
    assert bench.fleet.is_settled


def test_a_platform_that_cannot_say_is_not_asked_for_ever_and_the_job_is_ended(
    bench: Bench,
) -> None:
    bench.demand = 1
    bench.round()
    bench.online("a")
    bench.demand = 0
    lose(bench, "a")
    bench.desk.says["a"] = JobState.RUNNING
    bench.round()
    assert bench.round(VERDICT_SECONDS) == ["over a:", "end a"]


def test_a_job_that_waits_again_has_a_cause_and_is_ended(bench: Bench) -> None:
    bench.demand = 1
    bench.round()
    bench.online("a")
    bench.demand = 0
    lose(bench, "a", "crash")
    bench.desk.says["a"] = JobReport(JobState.PENDING, "preempted")
    assert bench.round() == ["over a:preempted", "end a"]


def test_a_job_that_ends_without_a_cause_leaves_it_at_what_is_known(bench: Bench) -> None:
    bench.demand = 1
    bench.round()
    bench.online("a")
    bench.demand = 0
    lose(bench, "a", "terminated")
    bench.desk.says["a"] = JobState.FINISHED
    assert bench.round() == ["over a:"]


@pytest.mark.parametrize(
    ("cause", "step"), [("out_of_memory", 1), ("crash", 1), ("node_lost", 0), (None, 1)]
)
def test_how_a_worker_died_decides_about_the_next_ones_step(cause: str | None, step: int) -> None:
    bench = Bench(lives=(math.inf,) * 2)
    bench.demand = 1
    bench.round()
    bench.online("a")
    lose(bench, "a")
    bench.desk.says["a"] = JobReport(JobState.FAILED, cause)
    bench.round(1.0)
    (row,) = bench.roster.coming()
    assert row.step == step


def test_a_launch_that_will_never_start_is_ended_and_stops_all_others(bench: Bench) -> None:
    bench.demand = 1
    bench.round()
    bench.desk.says["a"] = JobReport(JobState.PENDING, reason="Can Never Run", hopeless=True)
    assert bench.round(1.0) == ["forget a", "end a"]
    assert "will never start (pending: Can Never Run)" in str(bench.failures.error)


def test_what_a_platform_says_of_a_launch_that_takes_too_long_is_told(bench: Bench) -> None:
    bench.demand = 1
    bench.round()
    bench.desk.says["a"] = JobReport(JobState.PENDING, reason="ReqNodeNotAvail, maintenance")
    bench.round(LAUNCH_SECONDS + 1)
    assert "(pending: ReqNodeNotAvail, maintenance)" in str(bench.failures.errors[-1])


def test_why_jobs_wait_is_in_the_log_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.demand = 3
    bench.round()
    for name in "abc":
        bench.desk.says[name] = JobReport(JobState.PENDING, reason="Priority")
    with caplog.at_level(logging.INFO, "crew"):
        bench.round(1.0)
        bench.round(1.0)
        bench.desk.says["b"] = JobReport(JobState.PENDING, reason="Resources")
        bench.round(1.0)
    said = [record.getMessage() for record in caplog.records]
    assert [text for text in said if "'bench'" in text] == [
        "3 jobs of controller 'bench' wait: Priority",
        "1 jobs of controller 'bench' wait: Resources",
    ]


# ── Steps ──────────────────────────────────────────────────────────────────────────────────────


def test_launches_take_the_steps_that_tasks_need() -> None:
    bench = Bench(workers=3, lives=(math.inf,) * 3)
    bench.escalation.note_need(1, 2)
    bench.demand = 3
    assert bench.round() == ["expect a", "launch a", "expect b c", "launch b c"]
    assert [row.step for row in bench.roster.coming()] == [2, 0, 0]


def test_workers_that_are_too_small_are_not_counted_while_there_is_room() -> None:
    bench = Bench(workers=3, lives=(math.inf,) * 2)
    bench.demand = 2
    bench.round()
    bench.online("a", "b")
    bench.demand = 1
    assert not bench.is_short()
    bench.escalation.note_need(1, 1)
    assert bench.is_short()
    assert bench.round(1.0) == ["expect c", "launch c"]
    assert not bench.is_short()
    assert bench.round(10.0) == [], "what is needed is not superfluous"


def test_where_there_is_no_room_small_launches_are_given_up_first_and_then_workers() -> None:
    bench = Bench(workers=2, lives=(math.inf,) * 2)
    bench.demand = 2
    bench.round()
    bench.online("a")
    for task in (1, 2):
        bench.escalation.note_need(task, 1)
    assert bench.round(1.0) == ["forget b", "end b", "room for 1 of step 1"]
    assert bench.round(1.0) == ["expect c", "launch c"]


def test_a_busy_worker_that_is_too_small_makes_room_as_soon_as_others_tasks_are_done() -> None:
    bench = Bench(workers=1, lives=(math.inf,) * 2)
    bench.demand = 2
    bench.round()
    bench.online("a")
    bench.escalation.note_need(1, 1)
    assert bench.round(1.0) == []
    assert not bench.fleet.is_settled, "nobody tells when other tasks end"
    bench.demand = 1
    assert bench.round(1.0) == ["room for 1 of step 1"]


# ── Replacements ───────────────────────────────────────────────────────────────────────────────


def test_who_will_leave_soon_is_replaced_before() -> None:
    bench = Bench(workers=1)
    bench.demand = 1
    bench.round()
    bench.now += 8.0  # so long does a launch take here
    bench.roster.came_online("a", 1, "here", seconds_left=100.0)
    assert bench.roster.replace_at == bench.now + 92.0
    assert bench.round(91.0) == []
    assert bench.round(2.0) == ["expect b", "launch b"]
    assert bench.roster.online() == 1
    assert bench.roster.replace_at == math.inf
    bench.roster.end("a", InstanceState.EXITED, "wall_time")
    bench.online("b")
    assert (bench.roster.supply(), bench.round(1.0)) == (1, [])


def test_a_short_life_is_not_spent_on_waiting_for_the_next() -> None:
    bench = Bench(workers=1)
    bench.demand = 1
    bench.round()
    bench.now += 60.0
    bench.roster.came_online("a", 1, "here", seconds_left=40.0)
    assert bench.roster.replace_at == bench.now + 30.0


def test_nobody_is_replaced_for_nothing() -> None:
    bench = Bench(workers=1)
    bench.demand = 1
    bench.round()
    bench.roster.came_online("a", 1, "here", seconds_left=40.0)
    bench.demand = 0
    assert bench.round(39.0) == []
