"""Which task goes to which worker, and when; without sockets, clock or processes."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

import pytest

from crew_core._dispatcher.assignment import AHEAD_TASKS, HOARD_SECONDS
from crew_core._model.states import Status
from crew_core._wire import messages
from dispatcher.bench import COMMAND, Bench


def test_a_task_goes_to_a_worker_and_its_outcome_to_the_client() -> None:
    bench = Bench()
    bench.submit(1)
    bench.worker("w")
    assert bench.given("w") == [1]
    bench.done("w", 1)
    assert bench.finished[1].status == Status.SUCCESS
    assert bench.finished[1].attempts == 1


def test_a_command_is_sent_to_each_worker_once() -> None:
    bench = Bench()
    bench.worker("w")
    for i in (1, 2):
        bench.submit(i)
        bench.done("w", i)
    blobs = [o.blobs for o in bench.orders["w"] if isinstance(o, messages.Work)]
    assert blobs == [[COMMAND], []]


def test_larger_priority_goes_first_and_equals_in_order_of_submission() -> None:
    bench = Bench()
    bench.submit(1, 2)
    bench.client(messages.Submit([messages.Batch(3, ["t3"], b"digest", [b""], priority=5)], []))
    bench.worker("w")
    assert bench.given("w") == [3]
    bench.done("w", 3)
    assert bench.given("w") == [3, 1, 2]


def test_quick_tasks_are_handed_out_in_batches_that_leave_the_other_worker_its_share() -> None:
    bench = Bench()
    bench.worker("a")
    bench.worker("b")
    bench.submit(0)
    first = "a" if bench.given("a") else "b"
    bench.done(first, 0)
    bench.submit(*range(1, 101))
    assert 10 < len(bench.given("a")) < 90
    assert 10 < len(bench.given("b")) < 90


def test_among_many_idle_workers_tiny_tasks_are_not_spread_thinner_than_a_message_is_worth() -> (
    None
):
    bench = Bench()
    names = [f"w{i}" for i in range(100)]
    for name in names:
        bench.worker(name)
    bench.submit(0)
    bench.done(next(name for name in names if bench.given(name)), 0)
    bench.submit(*range(1, 101))
    shares = [len(bench.given(name)) for name in names if bench.given(name)]
    assert 1 < len(shares) < 20


def test_no_worker_is_ever_sent_more_than_the_most_ahead() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(0)
    bench.done("w", 0)
    bench.submit(*range(1, 5000))
    assert len(bench.given("w")) <= AHEAD_TASKS + 1


def test_a_lone_task_goes_to_an_idle_worker_only_if_that_may_have_it() -> None:
    bench = Bench(tasks_max=1)
    for name in ("w1", "w2"):
        bench.worker(name)
    bench.submit(1)
    assert bench.given("w2") == [1]
    bench.done("w2", 1)
    bench.submit(2)
    bench.submit(3)
    assert bench.given("w1") == [2]
    bench.worker("w3")
    assert bench.given("w3") == [3]


def test_the_most_recently_busy_worker_gets_the_next_task() -> None:
    bench = Bench()
    for name in ("a", "b", "c"):
        bench.worker(name)
    bench.submit(1)
    busy = next(n for n in ("a", "b", "c") if bench.given(n))
    bench.done(busy, 1)
    bench.submit(2)
    assert bench.given(busy) == [1, 2]


def test_hoarded_tasks_are_called_back_for_an_idle_worker() -> None:
    bench = Bench()
    bench.worker("a")
    bench.submit(0)
    bench.done("a", 0)
    bench.submit(1, 2, 3, 4)
    assert bench.given("a") == [0, 1, 2, 3, 4]
    bench.worker("b")
    bench.wait(2 * HOARD_SECONDS)
    recall = bench.orders["a"][-1]
    assert isinstance(recall, messages.Recall)
    assert 1 not in recall.ids
    bench.says("a", messages.Returned(recall.ids))
    assert bench.given("b") == recall.ids


def hoarders(bench: Bench) -> tuple[str, str]:
    """Two workers that hold several tasks each; the first holds more."""
    for name in ("a", "b"):
        bench.worker(name)
    bench.submit(0)
    (quick,) = [name for name in ("a", "b") if bench.given(name)]
    bench.done(quick, 0, seconds=0.005)
    bench.submit(*range(1, 7))
    other = "b" if quick == "a" else "a"
    assert len(bench.given(quick)) - 1 > len(bench.given(other)) > 1
    return quick, other


def asked(bench: Bench, *names: str) -> list[str]:
    """Those of them that were asked for tasks."""
    return [n for n in names if any(isinstance(o, messages.Recall) for o in bench.orders[n])]


def test_who_made_no_progress_for_longest_is_asked_for_tasks_first() -> None:
    bench = Bench()
    richer, stuck = hoarders(bench)
    bench.now += HOARD_SECONDS / 2
    bench.done(richer, bench.given(richer)[-1])
    bench.worker("idle")
    bench.wait(HOARD_SECONDS * 0.75)
    assert asked(bench, richer, stuck) == [stuck]


def test_one_that_does_not_answer_does_not_keep_others_from_being_asked() -> None:
    bench = Bench()
    hoarders(bench)
    bench.worker("idle")
    bench.wait(2 * HOARD_SECONDS)
    assert len(asked(bench, "a", "b")) == 1
    assert bench.state.next_time() == pytest.approx(bench.now + HOARD_SECONDS)
    bench.wait(HOARD_SECONDS)
    assert asked(bench, "a", "b") == ["a", "b"]
    # From now on the dispatcher sleeps until there is an answer.
    assert bench.state.next_time() > bench.now + 1


def test_an_idle_dispatcher_sleeps_until_a_worker_may_have_been_silent_for_too_long() -> None:
    bench = Bench()
    bench.worker("w")
    assert bench.state.next_time() == bench.now + 30.0
    bench.now += 20.0
    bench.state.on_heard("w", bench.now)
    bench.wait(10.0)
    assert bench.state.next_time() == bench.now + 20.0
    bench.wait(20.0)
    assert bench.told[-1] == messages.WorkerGone("w", False, "heartbeat_lost", 0)
    assert bench.state.next_time() == float("inf")


def test_many_silent_workers_take_few_looks() -> None:
    bench = Bench()
    for i in range(100):
        bench.now += 0.01
        bench.worker(f"w{i}")
    looks = 0
    while bench.state.next_time() < float("inf"):
        bench.now = bench.state.next_time()
        bench.wait(0.0)
        looks += 1
    assert looks < 5
    assert len([m for m in bench.told if isinstance(m, messages.WorkerGone)]) == 100


def steps(act: Callable[[], None]) -> int:
    """How many functions are called."""
    count = 0

    def note(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    gc.disable()  # what others left behind is not to end here
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


@pytest.mark.parametrize("busy", [False, True])
def test_a_turn_costs_the_same_however_many_workers_there_are(busy: bool) -> None:
    costs = []
    for others in (10, 10, 1000):  # the first one fills caches
        bench = Bench()
        bench.worker("w")
        for i in range(others):
            bench.worker(f"w{i}")
        if busy:
            bench.submit(*range(1, others + 2))
        bench.wait(0.001)

        def turn(bench: Bench = bench, last: str = f"w{others - 1}") -> None:
            bench.submit(9000)
            name = next(name for name in ("w", last) if bench.given(name))
            bench.done(name, bench.given(name)[-1])
            bench.wait(0.001)
            bench.state.next_time()

        costs.append(steps(turn))
    assert costs[1] == costs[2]


def test_the_coming_and_going_of_a_worker_cost_the_same_however_many_there_are() -> None:
    costs = []
    for others in (10, 1000):
        bench = Bench()
        pipes = [bench.worker(f"w{i}") for i in range(others)]
        bench.expect("last")
        coming = steps(lambda bench=bench: bench.hello("last"))  # type: ignore[misc]  # the loop's own
        going = steps(lambda bench=bench, pipe=pipes[-1]: bench.cut(pipe))  # type: ignore[misc]
        costs.append(coming + going)
    assert costs[1] < costs[0] * 1.5


def test_a_turn_costs_the_same_however_many_workers_are_too_old_for_what_waits() -> None:
    costs = []
    for others in (10, 1000):
        bench = Bench(seconds_wall=100.0)
        for i in range(others):
            bench.worker(f"w{i}")
        bench.submit(1, seconds_expected=500.0)
        costs.append(steps(lambda bench=bench: bench.wait(0.001)))  # type: ignore[misc]  # the loop's own
    assert costs[1] < costs[0] * 1.5


def test_a_worker_that_was_too_old_for_what_waits_takes_what_comes() -> None:
    bench = Bench(seconds_wall=100.0)
    bench.worker("w")
    bench.submit(1, seconds_expected=500.0)
    bench.wait(0.001)
    assert bench.given("w") == []
    bench.submit(2)
    assert bench.given("w") == [2]


def batch(*ids: int, **options: float) -> messages.Submit:
    names, bodies = [f"t{i}" for i in ids], [f"body {i}".encode() for i in ids]
    tasks = messages.Batch(ids[0], names, b"digest", bodies, **options)  # type: ignore[arg-type]  # keywords by name
    return messages.Submit([tasks], [COMMAND])


def work(bench: Bench, name: str) -> list[tuple[int, bytes]]:
    orders = [o for o in bench.orders.get(name, []) if isinstance(o, messages.Work)]
    batches = [batch for order in orders for batch in order.batches]
    return [pair for batch in batches for pair in zip(batch.ids, batch.bodies, strict=True)]


def test_a_batch_is_shared_out_and_each_task_keeps_its_body() -> None:
    bench = Bench()
    bench.worker("a")
    bench.submit(0)
    bench.done("a", 0)
    bench.worker("b")
    bench.client(batch(*range(1, 41)))
    a, b = work(bench, "a")[1:], work(bench, "b")
    assert a
    assert b
    assert all(body == f"body {i}".encode() for i, body in [*a, *b])
    assert not {i for i, _ in a} & {i for i, _ in b}


def test_tasks_of_a_batch_can_be_cancelled_while_the_others_wait() -> None:
    bench = Bench()
    bench.client(batch(1, 2, 3, 4, 5))
    bench.client(messages.Cancel([1, 3, 4]))
    assert {i: done.status for i, done in bench.finished.items()} == dict.fromkeys(
        (1, 3, 4), Status.CANCEL
    )
    bench.worker("w")
    bench.done("w", 2)
    bench.done("w", 5)
    assert [i for i, _ in work(bench, "w")] == [2, 5]
    assert len(bench.finished) == 5


def test_a_task_of_a_batch_that_crashes_is_tried_again_alone() -> None:
    bench = Bench()
    bench.worker("w")
    bench.submit(0)
    bench.done("w", 0)
    bench.client(batch(1, 2, 3))
    bench.done("w", 1)
    bench.done("w", 2, status=Status.CRASH, cause="signal 9")
    bench.done("w", 3)
    bench.done("w", 2)
    assert {i: done.attempts for i, done in bench.finished.items()} == {0: 1, 1: 1, 2: 2, 3: 1}


def test_a_batch_that_waits_too_long_times_out_as_far_as_it_waits() -> None:
    bench = Bench()
    bench.worker("w")
    bench.client(batch(1, 2, 3, seconds_queue=5.0))
    assert bench.given("w") == [1]
    bench.wait(6.0)
    assert {i: done.status for i, done in bench.finished.items()} == dict.fromkeys(
        (2, 3), Status.TIMEOUT
    )
    recalls = [o.ids for o in bench.orders["w"] if isinstance(o, messages.Recall)]
    assert recalls == [[1]]
    bench.says("w", messages.Returned([1]))
    assert bench.finished[1].status == Status.TIMEOUT
    assert bench.state.next_time() < float("inf")  # the worker's silence, no deadline


def test_what_a_lost_worker_had_of_a_batch_waits_again_in_order() -> None:
    bench = Bench()
    pipe = bench.worker("a")
    bench.submit(0)
    bench.done("a", 0)
    bench.client(batch(1, 2, 3, 4))
    held = bench.given("a")[1:]
    bench.cut(pipe)
    bench.worker("b")
    for i in held:
        bench.done("b", i)
    assert [i for i, _ in work(bench, "b")] == held
    assert bench.finished[1].attempts == 2
    assert bench.finished[2].attempts == 1
