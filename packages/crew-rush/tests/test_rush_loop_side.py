"""What a loop can do with tasks, tried without a process for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

import crew_core as crew
import crew_rush
from crew_rush._loop.logs import StoreHandler
from crew_rush._model.facts import LogEvent, Worker
from crew_rush._store.base import Store
from crew_rush._store.opening import open_store
from crew_rush._tasks.values import Values


@pytest.fixture
def here(memory_store: crew_rush.EmbeddedStore, network: str) -> Iterator[Store]:
    store = open_store(memory_store, network)
    store.attach(create=True)
    yield store
    store.reset()
    store.close()


def join(store: Store, name: str = "one") -> crew_rush.RushWorker:
    """A worker of the network, in this process."""
    store.register(Worker(name, "life", 1, "here", False, "local", "start"), 60.0)
    return crew_rush.RushWorker(store, "n", Values(), name, "life")


@pytest.fixture
def worker(here: Store) -> crew_rush.RushWorker:
    return join(here)


def test_popped_task_has_what_was_pushed_and_no_task_is_none(
    worker: crew_rush.RushWorker,
) -> None:
    worker.push_tasks([{"x": [1, 2]}], [{"note": "n"}])
    task = worker.pop_task(timeout=0)
    assert task is not None
    assert (task.xs, task.xs_extra) == ({"x": [1, 2]}, {"note": "n"})
    assert worker.is_running_task([task.key]) == [True]
    assert worker.pop_task(timeout=0) is None


@pytest.mark.parametrize("first", ["finish", "fail"])
def test_what_comes_second_is_discarded_with_a_warning(
    worker: crew_rush.RushWorker, first: str, caplog: pytest.LogCaptureFixture
) -> None:
    keys = worker.push_running_tasks([{"x": 1}])
    calls = {
        "finish": lambda: worker.finish_tasks(keys, [{"y": 1}]),
        "fail": lambda: worker.fail_tasks(keys, "why"),
    }
    assert calls.pop(first)() == [True]
    assert calls.popitem()[1]() == [False]
    assert keys[0] in caplog.text
    assert worker.is_failed_task(keys) == [first == "fail"]
    assert worker.n_finished_tasks + worker.n_failed_tasks == 1


def test_one_condition_is_for_all(worker: crew_rush.RushWorker) -> None:
    keys = worker.push_running_tasks([{"x": 1}, {"x": 2}])
    assert worker.fail_tasks(keys, "why") == [True, True]
    assert worker.fetch_failed_tasks()["condition"].tolist() == ["why", "why"]


def test_results_of_another_length_than_keys_are_refused_and_change_nothing(
    worker: crew_rush.RushWorker,
) -> None:
    keys = worker.push_running_tasks([{"x": 1}])
    with pytest.raises(crew.ConfigError, match="yss"):
        worker.finish_tasks(keys, [{"y": 1}, {"y": 2}])
    with pytest.raises(crew.ConfigError, match="yss_extra"):
        worker.push_results(keys, [{"y": 1}], [])
    with pytest.raises(crew.ConfigError, match="conditions"):
        worker.fail_tasks(keys, ["a", "b"])
    assert worker.n_running_tasks == 1


def test_extras_of_tasks_and_results_are_columns(worker: crew_rush.RushWorker) -> None:
    keys = worker.push_running_tasks([{"x": 1}], [{"batch": 7}])
    worker.finish_tasks(keys, [{"y": 2}], [{"seconds": 3}])
    (row,) = worker.fetch_finished_tasks().to_dict("records")
    assert row == {"key": keys[0], "x": 1, "batch": 7, "y": 2, "seconds": 3, "worker_id": "one"}


def test_nothing_to_finish_is_nothing(worker: crew_rush.RushWorker) -> None:
    assert worker.push_running_tasks([]) == []
    assert worker.finish_tasks([], []) == []
    assert worker.fail_tasks([], "why") == []


def test_queue_that_was_emptied_gives_no_task(here: Store, worker: crew_rush.RushWorker) -> None:
    taken = worker.push_tasks([{"x": 0}])
    task = worker.pop_task(timeout=0)
    worker.push_tasks([{"x": 1}, {"x": 2}])
    assert worker.empty_queue() == 2
    assert join(here, "two").pop_task(timeout=0) is None
    assert task is not None
    assert [task.key] == taken
    assert worker.finish_tasks(taken, [{"y": 0}]) == [True]
    assert (worker.n_failed_tasks, worker.n_finished_tasks) == (2, 1)


def test_loop_that_was_told_to_end_knows(here: Store, worker: crew_rush.RushWorker) -> None:
    told = [worker.terminated]
    here.order(["one"], "terminate")
    assert [*told, worker.terminated] == [False, True]
    assert worker.push_running_tasks([{"x": 1}])  # it may end what it is at


# ── Logs ───────────────────────────────────────────────────────────────────────────────────────


class SlowLog:
    """A store's log that takes records only when it is let."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.asked = threading.Event()
        self.go_on = threading.Event()

    def add_log(self, batch: str, events: Sequence[LogEvent]) -> None:
        self.asked.set()
        self.go_on.wait()
        self.batches.append([event.text for event in events])


def handler_for(store: Any, buffer: int) -> StoreHandler:
    return StoreHandler(store, "one", {"heard.here": logging.INFO}, buffer)


def test_records_that_come_while_others_are_sent_are_sent_at_the_end() -> None:
    store = SlowLog()
    handler = handler_for(store, buffer=1)
    handler.begin()
    log = logging.getLogger("heard.here")
    log.info("first")
    assert store.asked.wait(60)
    log.info("second")
    log.info("third")
    threading.Timer(0.1, store.go_on.set).start()
    handler.finish()
    assert store.batches == [["first"], ["second", "third"]]


def test_full_buffer_is_sent_at_once() -> None:
    store = SlowLog()
    store.go_on.set()
    handler = handler_for(store, buffer=3)
    handler.begin()
    for number in range(3):
        logging.getLogger("heard.here").info("%s", number)
    assert store.asked.wait(60)
    handler.finish()
    assert [text for batch in store.batches for text in batch] == ["0", "1", "2"]
