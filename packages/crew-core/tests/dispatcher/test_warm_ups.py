"""On which workers warm-ups run, and before what; without sockets, clock or processes."""

from __future__ import annotations

import pytest

from crew_core._dispatcher.assignment import HOARD_SECONDS
from crew_core._model.states import Status
from crew_core._wire import codec, messages
from dispatcher.bench import COMMAND, WARM, Bench, died, given_up, ran, warm_up, warmed, warming


def test_a_warm_up_goes_to_workers_that_are_here_and_to_those_that_come() -> None:
    bench = Bench()
    bench.worker("a")
    warm_up(bench, 1, 2)
    bench.worker("b")
    assert warming(bench, "a") == warming(bench, "b") == [1, 2]
    warmed(bench, "a", 1)
    assert ran(bench) == [("a", 1, Status.SUCCESS)]


def test_the_command_of_a_warm_up_is_sent_to_each_worker_once() -> None:
    bench = Bench()
    bench.worker("w")
    warm_up(bench, 1, 2)
    orders = [o for o in bench.orders["w"] if isinstance(o, messages.WarmUps)]
    assert [order.blobs for order in orders] == [[COMMAND], []]


def test_a_worker_is_given_no_task_until_it_is_warm() -> None:
    bench = Bench()
    bench.worker("cold")
    warm_up(bench, 1)
    bench.submit(1)
    assert bench.given("cold") == []
    warmed(bench, "cold", 1)
    assert bench.given("cold") == [1]


def test_a_worker_that_is_not_warm_yet_may_not_go_as_idle() -> None:
    bench = Bench()
    bench.worker("w")
    warm_up(bench, 1)
    bench.says("w", messages.AskLeave("idle", must=False))
    assert not any(isinstance(o, messages.Leave) for o in bench.orders["w"])
    warmed(bench, "w", 1)
    bench.says("w", messages.AskLeave("idle", must=False))
    assert isinstance(bench.orders["w"][-1], messages.Leave)


def test_tasks_of_a_worker_that_warms_up_are_called_back_for_an_idle_one() -> None:
    bench = Bench()
    bench.worker("a")
    bench.submit(0)
    bench.done("a", 0)
    bench.submit(1, 2, 3, 4)
    warm_up(bench, 1)
    bench.worker("b")
    warmed(bench, "b", 1)
    bench.wait(2 * HOARD_SECONDS)
    assert isinstance(bench.orders["a"][-1], messages.Recall)


def test_a_warm_up_that_ended_its_process_is_run_again_until_it_is_given_up() -> None:
    bench = Bench(retry=messages.RetryPolicy(crashes_max=2))
    bench.worker("w")
    warm_up(bench, 1)
    died(bench, "w", 1)
    assert warming(bench, "w") == [1, 1]
    died(bench, "w", 1)
    assert warming(bench, "w") == [1, 1]
    assert bench.orders["w"][-1] == messages.EndWarmUps([WARM + 1])
    assert given_up(bench) == [1]
    bench.submit(1)
    assert bench.given("w") == [1]
    bench.worker("later")
    assert warming(bench, "later") == []


def test_a_success_ends_a_row_of_crashes_of_a_warm_up() -> None:
    bench = Bench(retry=messages.RetryPolicy(crashes_max=2))
    bench.worker("a")
    bench.worker("b")
    warm_up(bench, 1)
    died(bench, "a", 1)
    warmed(bench, "b", 1)
    died(bench, "a", 1)
    assert given_up(bench) == []


def test_the_death_of_a_worker_is_its_warm_ups_and_not_its_tasks() -> None:
    bench = Bench(retry=messages.RetryPolicy(crashes_max=1))
    pipe = bench.worker("w")
    warm_up(bench, 1)
    bench.cut(pipe)
    assert ran(bench) == [("w", 1, Status.CRASH)]
    assert given_up(bench) == [1]


def test_the_death_of_a_worker_is_its_tasks_while_that_runs_before_a_warm_up() -> None:
    bench = Bench(retry=messages.RetryPolicy(crashes_max=1))
    pipe = bench.worker("w")
    bench.submit(1)
    warm_up(bench, 1)
    bench.cut(pipe)
    assert bench.finished[1].status == Status.CRASH
    assert given_up(bench) == []


def test_in_a_new_task_process_warm_ups_come_before_the_tasks() -> None:
    bench = Bench(retry=messages.RetryPolicy(crashes_max=1))
    pipe = bench.worker("w")
    warm_up(bench, 1)
    warmed(bench, "w", 1)
    bench.submit(1)
    bench.says("w", messages.Warming([WARM + 1]))
    bench.cut(pipe)
    assert bench.finished == {}
    assert given_up(bench) == [1]


def test_a_preempted_worker_does_not_count_against_its_warm_up() -> None:
    bench = Bench(retry=messages.RetryPolicy(crashes_max=1))
    bench.worker("w")
    warm_up(bench, 1)
    died(bench, "w", 1, cause="job_ended")
    assert given_up(bench) == []


def test_a_warm_up_that_was_ended_is_stopped_everywhere() -> None:
    bench = Bench()
    bench.worker("w")
    warm_up(bench, 1)
    bench.client(messages.EndWarmUps([WARM + 1]))
    assert bench.orders["w"][-1] == messages.EndWarmUps([WARM + 1])
    bench.worker("later")
    assert warming(bench, "later") == []
    # It had ended its process just before: the worker still waits for an answer.
    died(bench, "w", 1)
    assert bench.orders["w"][-1] == messages.EndWarmUps([WARM + 1])
    bench.submit(1)
    assert bench.given("later") or bench.given("w")


def test_an_unreadable_death_of_a_warm_up_changes_nothing_either() -> None:
    bench = Bench()
    bench.worker("w")
    warm = messages.WARM_UP_IDS + 1
    bench.client(messages.WarmUp(messages.Batch(warm, ["warm"], b"digest", [b""]), [COMMAND]))
    told = len(bench.told)
    with pytest.raises(codec.MalformedMessageError):
        bench.says("w", messages.Warmed(messages.Outcome(warm, Status.CRASH, None, b"?"), True))
    assert len(bench.told) == told


def test_a_warm_up_that_nobody_ordered_is_not_told_of() -> None:
    bench = Bench()
    bench.worker("w")
    told = len(bench.told)
    bench.says("w", messages.Warmed(messages.Outcome(5, Status.SUCCESS, 0.1, b""), died=False))
    assert len(bench.told) == told


def test_a_warm_up_is_let_end_before_its_worker_leaves() -> None:
    bench = Bench()
    bench.worker("w")
    warm = messages.WARM_UP_IDS + 1
    bench.client(messages.WarmUp(messages.Batch(warm, ["warm"], b"digest", [b""]), [COMMAND]))
    bench.client(messages.Employ(False))
    assert messages.Leave(now=False) not in bench.orders["w"]
    bench.says("w", messages.Warmed(messages.Outcome(warm, Status.SUCCESS, 0.1, b""), died=False))
    assert bench.orders["w"][-1] == messages.Leave(now=False)
