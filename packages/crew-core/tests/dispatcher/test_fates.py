"""How tasks end when they crash, are cancelled or wait too long; all without a process."""

from __future__ import annotations

import pytest

from crew_core._model.states import Status
from crew_core._wire import messages
from dispatcher.bench import COMMAND, Bench


def test_a_task_that_was_never_started_is_put_back_without_counting_a_crash() -> None:
    bench = Bench(retry=messages.RetryPolicy(crashes_max=1))
    pipe = bench.worker("a")
    bench.submit(0)
    bench.done("a", 0)
    bench.submit(1, 2)
    bench.cut(pipe)
    assert bench.finished[1].status == Status.CRASH
    assert 2 not in bench.finished
    bench.worker("b")
    bench.done("b", 2)
    assert bench.finished[2].attempts == 1


def test_a_crashed_task_is_tried_again_before_the_others() -> None:
    bench = Bench()
    pipe = bench.worker("a")
    bench.submit(1)
    bench.submit(2)
    bench.cut(pipe)
    crashed = [m for m in bench.told if isinstance(m, messages.Crashed)]
    assert [(c.id, c.instance) for c in crashed] == [(1, "a")]
    bench.worker("b")
    assert bench.given("b")[0] == 1


@pytest.mark.parametrize(("crashes_max", "attempts"), [(0, 1), (1, 1), (2, 2), (5, 5)])
def test_the_last_crash_is_the_tasks_fate(crashes_max: int, attempts: int) -> None:
    bench = Bench(retry=messages.RetryPolicy(crashes_max=crashes_max))
    bench.worker("w")
    bench.submit(1)
    for _ in range(attempts):
        assert 1 not in bench.finished
        bench.done("w", 1, status=Status.CRASH, cause="signal 11")
    assert bench.finished[1].status == Status.CRASH
    assert bench.finished[1].attempts == attempts
    assert messages.decode_detail(bench.finished[1].detail).cause == "signal 11"


def test_crashes_counted_before_under_the_same_name_count_on() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(1, crashes=4)
    bench.done("w", 1, status=Status.CRASH)
    assert bench.finished[1].status == Status.CRASH


def test_a_task_whose_crashes_are_used_up_is_given_back_for_the_backup() -> None:
    bench = Bench(retry=messages.RetryPolicy(crashes_max=2, backup=True))
    bench.worker("w")
    bench.submit(1, priority=3)
    bench.done("w", 1, status=Status.CRASH, cause="exit 3")
    bench.done("w", 1, status=Status.CRASH, cause="exit 4")
    assert bench.finished == {}
    (spent,) = [m for m in bench.told if isinstance(m, messages.Spent)]
    assert (spent.instance, spent.crashes) == ("w", 2)
    assert (spent.task.first, spent.task.priority, spent.blob) == (1, 3, COMMAND)
    assert (spent.finished.status, spent.finished.attempts) == (Status.CRASH, 2)
    assert messages.decode_detail(spent.finished.detail).cause == "exit 4"
    bench.client(messages.Cancel([1]))  # it is not here any more
    assert bench.finished == {}


@pytest.mark.parametrize(
    ("policy", "attempts"),
    [
        (messages.RetryPolicy(crashes_max=0, backup=True), 0),
        (messages.RetryPolicy(crashes_max=1, backup=True, retry_tasks=False), 0),
        (messages.RetryPolicy(crashes_max=1, backup=True), 19),  # tried 20 times in all
    ],
)
def test_a_crash_may_be_final_though_there_is_a_backup(
    policy: messages.RetryPolicy, attempts: int
) -> None:
    bench = Bench(retry=policy)
    bench.worker("w")
    bench.submit(1, attempts=attempts)
    bench.done("w", 1, status=Status.CRASH)
    assert bench.finished[1].status == Status.CRASH
    assert bench.finished[1].attempts == attempts + 1


def test_without_retries_the_first_crash_is_final() -> None:
    bench = Bench(retry=messages.RetryPolicy(retry_tasks=False))
    bench.worker("w")
    bench.submit(1)
    bench.done("w", 1, status=Status.CRASH)
    assert bench.finished[1].status == Status.CRASH


def test_a_job_that_was_ended_by_others_is_not_the_tasks_fault() -> None:
    bench = Bench(retry=messages.RetryPolicy(crashes_max=1))
    bench.worker("w")
    bench.submit(1)
    bench.done("w", 1, status=Status.CRASH, cause="job_ended")
    assert 1 not in bench.finished


def test_no_task_is_tried_for_ever() -> None:
    bench = Bench(retry=messages.RetryPolicy(attempts_max=20))
    bench.worker("w")
    bench.submit(1)
    for _ in range(20):
        assert 1 not in bench.finished
        bench.done("w", 1, status=Status.CRASH, cause="job_ended")
    assert bench.finished[1].status == Status.CRASH
    assert bench.finished[1].attempts == 20


def test_an_outcome_of_an_attempt_that_no_longer_counts_is_ignored() -> None:
    bench = Bench(seconds_reconnect=0.0)
    pipe = bench.worker("a")
    bench.submit(1)
    bench.cut(pipe)
    bench.done("a", 1)
    assert 1 not in bench.finished


def test_a_waiting_task_is_cancelled_at_once() -> None:
    bench = Bench()
    bench.submit(1, 2)
    bench.client(messages.Cancel([1, 99]))
    assert bench.finished[1].status == Status.CANCEL
    assert bench.finished[1].attempts == 0
    bench.worker("w")
    assert bench.given("w") == [2]


def test_a_running_task_is_cancelled_by_its_worker() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(1)
    bench.client(messages.Cancel([1]))
    assert bench.orders["w"][-1] == messages.CancelTasks([1])
    assert 1 not in bench.finished
    bench.done("w", 1, status=Status.CANCEL)
    assert bench.finished[1].status == Status.CANCEL


def test_a_task_whose_worker_dies_while_it_is_being_cancelled_is_cancelled() -> None:
    bench = Bench()
    pipe = bench.worker("w")
    bench.submit(1)
    bench.client(messages.Cancel([1]))
    bench.cut(pipe)
    assert bench.finished[1].status == Status.CANCEL


def test_a_task_that_waits_too_long_times_out() -> None:
    bench = Bench()
    bench.submit(1, seconds_queue=2.0)
    assert bench.state.next_time() == bench.now + 2.0
    bench.wait(1.9)
    assert 1 not in bench.finished
    bench.wait(0.2)
    assert bench.finished[1].status == Status.TIMEOUT
    bench.worker("w")
    assert bench.given("w") == []


def test_a_task_that_waits_too_long_at_a_worker_times_out_unless_it_has_started() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(0)
    bench.done("w", 0)  # such tasks are quick, so several are handed out
    bench.submit(1, 2, seconds_queue=2.0)
    assert bench.given("w") == [0, 1, 2]
    bench.wait(2.1)
    asked = [o.ids for o in bench.orders["w"] if isinstance(o, messages.Recall)]
    assert asked[:2] == [[1], [2]]
    bench.says("w", messages.Returned([]))  # the first runs
    bench.says("w", messages.Returned([2]))
    assert bench.finished[2].status == Status.TIMEOUT
    bench.done("w", 1)
    assert bench.finished[1].status == Status.SUCCESS
    assert bench.given("w") == [0, 1, 2]


def test_a_worker_with_too_little_time_left_is_not_given_the_task() -> None:
    bench = Bench()
    bench.expect("w")
    hello = messages.Hello(
        messages.PROTOCOL, "w", "secret of w", "a", 7, "here", "3.11", seconds_left=10.0
    )
    bench.state.on_hello(1, hello, bench.now)
    bench.submit(1, seconds_expected=60.0)
    bench.submit(2, seconds_expected=5.0)
    assert bench.given("w") == [2]


def test_a_task_that_expects_to_outlast_a_workers_wall_time_waits_for_another() -> None:
    bench = Bench(seconds_wall=10.0)
    bench.worker("old")
    bench.submit(1)
    bench.done("old", 1)
    bench.wait(5)
    bench.submit(2, seconds_expected=6.0)
    bench.submit(3, seconds_expected=4.0)
    assert bench.given("old") == [1, 3]
    bench.worker("new")
    assert bench.given("new") == [2]


def test_a_task_that_expects_a_whole_life_finds_a_young_worker() -> None:
    bench = Bench(seconds_wall=10.0)
    bench.worker("w")
    bench.wait(0.5)  # no worker is as young as that
    bench.submit(1, seconds_expected=10.0)
    assert bench.given("w") == [1]


def test_the_wall_time_runs_after_tasks_timers() -> None:
    bench = Bench(seconds_wall=10.0, tasks_timers=1)
    bench.worker("w")
    bench.wait(20)
    bench.submit(1, seconds_expected=9.0)
    assert bench.given("w") == [1]
    bench.done("w", 1)
    bench.submit(2, seconds_expected=9.0)
    assert bench.given("w") == [1, 2]
    bench.done("w", 2)
    bench.wait(2)
    bench.submit(3, seconds_expected=9.0)
    assert bench.given("w") == [1, 2]


@pytest.mark.parametrize("seconds", [0.0, 5e-324, 1e-300, 1e12])
def test_tasks_may_take_as_short_or_long_as_they_like(seconds: float) -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(*range(100))
    bench.done("w", 0, seconds=seconds)
    assert len(bench.given("w")) >= 2
