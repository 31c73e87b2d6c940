"""What every store promises, tried on each kind through its interface."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from crew_rush import NetworkNotFoundError, WorkerGoneError
from crew_rush._model.facts import LogEvent, Worker, as_field
from crew_rush._store.base import Outcome, Store
from rush_loops import until

OpenNetwork = Callable[..., Store]

ONE = ("one", "life-1")


def worker(worker_id: str = "one", life: str = "life-1") -> Worker:
    return Worker(worker_id, life, 1, socket.gethostname(), False, "local", "start-1")


def tasks(*keys: str) -> list[Outcome]:
    return [(key, {"xs": key.encode()}) for key in keys]


def found(*keys: str) -> list[Outcome]:
    return [(key, {"ys": b"y"}) for key in keys]


def register(store: Store, *worker_ids: str, expire: float = 60) -> None:
    for worker_id in worker_ids:
        store.register(worker(worker_id), expire)


def run_one(store: Store, key: str = "a") -> None:
    register(store, "one")
    store.push(tasks(key), "running", ONE)


def test_network_that_is_not_there_is_named(connect: OpenNetwork) -> None:
    with pytest.raises(NetworkNotFoundError, match="not-there"):
        connect("not-there", create=False)


def test_second_manager_sees_the_same(connect: OpenNetwork, store: Store) -> None:
    store.push(tasks("a"), "queued", None)
    assert connect(create=False).keys("queued") == ["a"]


def test_networks_do_not_mix(connect: OpenNetwork, store: Store, network: str) -> None:
    other = connect(f"{network}-2")
    store.push(tasks("a"), "queued", None)
    assert other.counts().queued == 0
    other.reset()


def test_tasks_are_popped_in_the_order_in_which_they_were_pushed(store: Store) -> None:
    register(store, "one")
    store.push(tasks("a", "b"), "queued", None)
    popped = []
    while (task := store.pop(*ONE)) is not None:
        assert store.begin(*ONE, task.key)
        popped.append(task.key)
    assert popped == ["a", "b"]


def test_task_goes_through_all_states(store: Store) -> None:
    register(store, "one")
    store.push(tasks("a"), "queued", None)
    seen = store.states(["a"])
    task = store.pop(*ONE)
    assert task is not None
    assert task.fields == {"xs": b"a"}
    seen += store.states(["a"])
    assert store.begin(*ONE, "a")
    seen += store.states(["a"])
    assert store.decide("finished", "try-1", found("a")) == [True]
    seen += store.states(["a"])
    assert seen == ["queued", "pending", "running", "finished"]
    (done,) = store.read(["a"])
    assert done is not None
    assert done.fields == {"xs": b"a", "ys": b"y"}
    assert done.worker_id == "one"


def test_pop_asked_again_gives_the_same_task_until_it_is_begun(store: Store) -> None:
    register(store, "one")
    store.push(tasks("a", "b"), "queued", None)
    first, again = store.pop(*ONE), store.pop(*ONE)
    assert first == again
    assert first is not None
    assert store.begin(*ONE, first.key)
    assert store.begin(*ONE, first.key)
    later = store.pop(*ONE)
    assert later is not None
    assert later.key == "b"


def test_push_said_twice_adds_once(store: Store) -> None:
    store.push(tasks("a"), "queued", None)
    store.push(tasks("a", "b"), "queued", None)
    assert store.keys("queued") == ["a", "b"]


def test_first_writer_wins(store: Store) -> None:
    run_one(store)
    assert store.decide("finished", "try-1", found("a")) == [True]
    assert store.decide("failed", "try-2", [("a", {"condition": as_field("late")})]) == [False]
    assert store.decide("finished", "try-3", [("a", {"ys": b"other"})]) == [False]
    (task,) = store.read(["a"])
    assert task is not None
    assert task.fields["ys"] == b"y"
    assert store.counts().finished == 1
    assert store.counts().failed == 0


def test_deciding_said_twice_counts_once_and_answers_the_same(store: Store) -> None:
    run_one(store)
    assert store.decide("finished", "try-1", found("a")) == [True]
    assert store.decide("finished", "try-1", found("a")) == [True]
    assert store.keys("finished") == ["a"]


def test_task_that_nobody_runs_cannot_be_decided(store: Store) -> None:
    store.push(tasks("a"), "queued", None)
    assert store.decide("finished", "try-1", found("a", "unknown")) == [False, False]


def test_queue_is_emptied_whole(store: Store) -> None:
    store.push(tasks("a", "b"), "queued", None)
    assert store.empty_queue(as_field("removed")) == 2
    counts = store.counts()
    assert (counts.queued, counts.failed) == (0, 2)
    (task,) = store.read(["a"])
    assert task is not None
    assert task.fields["condition"] == as_field("removed")


def test_finished_tasks_are_read_from_a_position_on(store: Store) -> None:
    register(store, "one")
    store.push(tasks("a", "b"), "running", ONE)
    store.decide("finished", "try-1", found("b"))
    era, first = store.read_finished("", 0)
    store.decide("finished", "try-2", found("a"))
    again, new = store.read_finished(era, len(first))
    assert [task.key for task in first] == ["b"]
    assert [task.key for task in new] == ["a"]
    assert era == again


def test_reset_of_data_begins_another_era_and_keeps_workers(store: Store) -> None:
    run_one(store)
    store.decide("finished", "try-1", found("a"))
    store.add_log("batch-1", [LogEvent("one", 1.0, 20, "log", "text")])
    era, first = store.read_finished("", 0)
    store.reset_data()
    register(store, "one")
    store.push(tasks("b"), "running", ONE)
    store.decide("finished", "try-1", found("b"))
    other, later = store.read_finished(era, len(first))
    assert other != era
    assert [task.key for task in later] == ["b"]
    assert store.read_log(0) == []
    assert store.counts().running_workers == 1


def test_network_that_was_reset_is_gone(store: Store) -> None:
    run_one(store)
    store.reset()
    with pytest.raises(NetworkNotFoundError):
        store.push(tasks("b"), "queued", None)
    store.attach(create=True)
    assert store.counts().workers == 0
    assert store.keys(None) == []


def test_lost_workers_tasks_fail_and_what_it_had_not_begun_is_first_in_the_queue(
    store: Store,
) -> None:
    register(store, "one", "two")
    store.push(tasks("a", "b"), "queued", None)
    store.push(tasks("r"), "running", ONE)
    assert store.pop(*ONE) is not None
    store.end_worker(*ONE, "lost", "signal 9")
    assert store.keys("queued") == ["a", "b"]
    assert store.keys("failed") == ["r"]
    (task,) = store.read(["r"])
    assert task is not None
    assert b"signal 9" in task.fields["condition"]
    assert store.decide("finished", "try-1", found("r")) == [False]


def test_worker_that_is_not_heard_of_is_lost_and_one_that_gives_signs_of_life_is_not(
    store: Store,
) -> None:
    # So long that a busy computer is not taken for a death: before a task is there, or between two
    # signs. The one who gives them came first, and would be lost first without them.
    register(store, "two", "one", expire=6.0)
    store.push(tasks("a"), "running", ONE)

    def one_is_lost_while_two_beats() -> bool:
        assert store.beat("two", "life-1").known
        return store.counts().running_workers == 1

    until(one_is_lost_while_two_beats)
    two, one = store.workers()
    assert (two.state, one.state) == ("running", "lost")
    assert "not heard of" in one.reason
    assert store.keys("failed") == ["a"]
    assert not store.beat(*ONE).known


def test_worker_that_was_given_up_may_not_push_or_pop(store: Store) -> None:
    register(store, "one")
    store.end_worker(*ONE, "lost", "why")
    with pytest.raises(WorkerGoneError, match="one"):
        store.push(tasks("a"), "running", ONE)
    with pytest.raises(WorkerGoneError, match="one"):
        store.pop(*ONE)
    assert store.keys(None) == []


def test_workers_are_asked_to_terminate(store: Store) -> None:
    register(store, "one", "two")
    assert store.order(["one"], "terminate") == ["one"]
    assert store.beat(*ONE).terminate
    assert not store.beat("two", "life-1").terminate
    assert store.counts().running_workers == 2


def test_killed_worker_is_dead_at_once(store: Store) -> None:
    run_one(store)
    assert store.order(["one", "unknown"], "kill") == ["one"]
    orders = store.beat(*ONE)
    assert orders.kill
    assert not orders.known
    assert store.keys("failed") == ["a"]
    assert [row.state for row in store.workers()] == ["killed"]
    assert store.order(["one"], "kill") == []


def test_end_that_was_said_first_stays(store: Store) -> None:
    register(store, "one")
    store.end_worker(*ONE, "terminated", "its loop raised")
    store.end_worker(*ONE, "lost", "signal 9")
    (row,) = store.workers()
    assert (row.state, row.reason) == ("terminated", "its loop raised")


def test_new_life_replaces_the_old_one(store: Store) -> None:
    run_one(store)
    store.register(worker(life="life-2"), 60)
    assert store.keys("failed") == ["a"]
    assert not store.beat(*ONE).known
    assert store.beat("one", "life-2").known
    assert store.counts().workers == 1


def test_worker_that_ended_is_not_revived_by_coming_again(store: Store) -> None:
    register(store, "one")
    store.end_worker(*ONE, "killed", "why")
    register(store, "one")
    assert not store.beat(*ONE).known


def test_logs_are_kept_once_in_order(store: Store) -> None:
    events = [LogEvent("one", 1.0, 20, "log", "first"), LogEvent("one", 2.0, 30, "log", "second")]
    store.add_log("batch-1", events)
    store.add_log("batch-1", events)
    assert store.read_log(0) == events
    assert store.read_log(1) == events[1:]


def test_values_are_kept_under_names(store: Store) -> None:
    store.set_value("name", b"value")
    assert store.get_value("name") == b"value"
    assert store.get_value("other") is None


def test_many_tasks_go_in_and_out_whole(store: Store) -> None:
    register(store, "one")
    keys = [f"k{number}" for number in range(5000)]
    store.push(tasks(*keys), "running", ONE)
    assert all(store.decide("finished", "try-1", found(*keys)))
    _, done = store.read_finished("", 0)
    assert [task.key for task in done] == keys
    assert store.counts().finished == 5000


def test_large_values_go_in_and_out_whole(store: Store) -> None:
    value = bytes(range(256)) * (1 << 16)  # 16 MiB
    store.push([("a", {"xs": value}), ("b", {"xs": value})], "queued", None)
    read = store.read(["a", "b"])
    assert [task.fields["xs"] == value for task in read if task is not None] == [True, True]
