"""What a fetch costs: each finished task is read from the store once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import crew_rush
from crew_rush._model.facts import Task
from crew_rush._store.base import Store
from crew_rush._tasks.tasks import Tasks
from crew_rush._tasks.values import Values

OpenNetwork = Callable[..., Store]


class Reader(Tasks):
    """A manager that counts the finished tasks which its store sends."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(store, "counted", Values())
        self.sent = 0
        read = store.read_finished

        def counted(era: str, start: int) -> tuple[str, list[Task]]:
            found, tasks = read(era, start)
            self.sent += len(tasks)
            return found, tasks

        monkeypatch.setattr(store, "read_finished", counted)

    def cost(self, fetch: Callable[[], object]) -> int:
        before = self.sent
        fetch()
        return self.sent - before


def push(tasks: Tasks, count: int, start: int = 0) -> None:
    numbers = range(start, start + count)
    tasks.push_finished_tasks([{"x": n} for n in numbers], [{"y": -n} for n in numbers])


@pytest.mark.parametrize("count", [5000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_each_finished_task_is_fetched_once(
    connect: OpenNetwork, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    writer = Tasks(connect(), "counted", Values())
    push(writer, count)
    reader = Reader(connect(), monkeypatch)
    assert reader.cost(reader.fetch_finished_tasks) == count
    assert reader.cost(reader.fetch_finished_tasks) == 0
    assert reader.cost(reader.fetch_new_tasks) == 0  # they are here already
    push(writer, 7, start=count)
    assert reader.cost(reader.fetch_new_tasks) == 7
    assert reader.cost(reader.fetch_finished_tasks) == 0
    table = reader.fetch_finished_tasks()
    assert table["x"].tolist() == list(range(count + 7))
    assert writer.n_finished_tasks == len(table)


def test_fetch_after_the_cache_was_reset_brings_all_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(store, monkeypatch)
    push(reader, 3)
    assert reader.cost(reader.fetch_finished_tasks) == 3
    reader.reset_cache()
    assert reader.cost(reader.fetch_finished_tasks) == 3


def test_what_another_manager_reset_is_not_shown_any_more(
    connect: OpenNetwork, store: Store
) -> None:
    here, there = Tasks(store, "n", Values()), Tasks(connect(), "n", Values())
    push(here, 3)
    assert len(there.fetch_finished_tasks()) == 3
    store.reset_data()
    push(here, 1, start=9)
    assert there.fetch_finished_tasks()["x"].tolist() == [9]
    store.reset()
    store.attach(create=True)
    assert len(there.fetch_finished_tasks()) == 0


def test_task_is_shown_once_with_the_state_it_has(store: Store) -> None:
    tasks = Tasks(store, "n", Values())
    push(tasks, 1)
    tasks.push_tasks([{"x": 1}])
    tasks.push_failed_tasks([{"x": 2}, {"x": 3}], "why")
    table = tasks.fetch_tasks_with_state(["xs"], ["queued", "failed"])
    assert table[["x", "state"]].to_numpy().tolist() == [
        [1, "queued"],
        [2, "failed"],
        [3, "failed"],
    ]
    assert tasks.fetch_tasks()["x"].tolist() == [0, 1, 2, 3]
    assert tasks.fetch_failed_tasks()["condition"].tolist() == ["why", "why"]
    assert tasks.n_tasks == 4


def test_second_fetch_waits_for_what_is_new(rush_here: crew_rush.Rush) -> None:
    push(rush_here, 2)
    assert len(rush_here.fetch_new_tasks(timeout=60)) == 2
    assert len(rush_here.fetch_new_tasks(timeout=0.01)) == 0
