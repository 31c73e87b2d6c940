"""The order of tasks that wait, for workers that live for ever and for those that do not."""

from __future__ import annotations

import gc
import random
import sys
from collections.abc import Callable

import pytest

from crew_core._dispatcher.ledger import Ledger
from crew_core._dispatcher.queue import TaskQueue
from crew_core._wire import messages


class Shelf:
    """A queue, and the ledger behind it."""

    def __init__(self) -> None:
        self.ledger = Ledger(messages.RetryPolicy())
        self.queue = TaskQueue(self.ledger)

    def add(self, first: int, count: int = 1, **options: float) -> None:
        names = [""] * count
        batch = messages.Batch(first, names, b"digest", [b""] * count, **options)  # type: ignore[arg-type]  # keywords by name
        self.queue.append(self.ledger.open(batch, 0.0))

    def take(self, count: int, seconds_left: float | None = None) -> list[int]:
        entries = self.queue.take(count, seconds_left)
        return [i for entry in entries for i in range(entry.first, entry.stop)]

    def cancel(self, task_id: int) -> None:
        entry = self.ledger.get(task_id)
        assert entry is not None
        self.queue.drop(entry)
        self.ledger.finish_unstarted(task_id, entry)


def test_whatever_tasks_expect_to_take_they_keep_their_order() -> None:
    shelf = Shelf()
    for i in range(30):
        shelf.add(2 * i, 2, seconds_expected=float(i % 4), priority=i % 2)
    odd = [j for i in range(1, 30, 2) for j in (2 * i, 2 * i + 1)]
    even = [j for i in range(0, 30, 2) for j in (2 * i, 2 * i + 1)]
    assert [i for _ in range(20) for i in shelf.take(3)] == odd + even
    assert shelf.queue.head() is None


def test_what_is_too_long_for_one_worker_keeps_its_place_for_the_next() -> None:
    shelf = Shelf()
    shelf.add(0, 2, seconds_expected=9.0)
    shelf.add(2)
    shelf.add(3, seconds_expected=1.0)
    shelf.add(4, seconds_expected=8.0)
    assert shelf.take(9, seconds_left=5.0) == [2, 3]
    assert shelf.take(9, seconds_left=5.0) == []
    assert shelf.take(1, seconds_left=8.5) == [4]
    assert shelf.take(9) == [0, 1]


@pytest.mark.parametrize("seed", range(20))
def test_at_random_the_order_is_that_of_a_plain_list(seed: int) -> None:
    chance = random.Random(seed)
    shelf = Shelf()
    plain: list[tuple[int, float]] = []  # with what each expects
    fresh = 0
    for _ in range(300):
        deed = chance.randrange(4)
        if deed <= 1:
            count, expected = chance.randint(1, 4), float(chance.randrange(3))
            shelf.add(fresh, count, seconds_expected=expected)
            plain += [(fresh + i, expected) for i in range(count)]
            fresh += count
        elif deed == 2 and plain:
            task, _ = plain.pop(chance.randrange(len(plain)))
            shelf.cancel(task)
        else:
            count, left = chance.randint(1, 5), float(chance.randrange(3))
            entries = shelf.queue.take(count, left)
            fits = [(i, expected) for i, expected in plain if expected <= left][:count]
            found = [i for entry in entries for i in range(entry.first, entry.stop)]
            assert found == [i for i, _ in fits]
            if chance.randrange(2):
                shelf.queue.put_back(entries)
                plain = fits + [task for task in plain if task not in fits]
            else:
                plain = [task for task in plain if task not in fits]
        assert len(shelf.queue) == len(plain)
    assert shelf.take(len(plain)) == [i for i, _ in plain]


def steps(act: Callable[[], object]) -> int:
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


def test_passing_by_what_is_too_long_costs_the_same_however_much_it_is() -> None:
    costs = []
    for many in (10, 1000):
        shelf = Shelf()
        for i in range(many):
            shelf.add(i, seconds_expected=100.0)
        shelf.add(many)
        shelf.take(0, 5.0)
        costs.append(steps(lambda shelf=shelf: shelf.take(5, 5.0)))  # type: ignore[misc]  # the loop's own
    assert costs[1] < costs[0] * 1.5


def test_taking_and_putting_back_leaves_nothing_behind() -> None:
    shelf = Shelf()
    shelf.add(0, 10)
    shelf.add(10, seconds_expected=1.0)
    for _ in range(10):
        shelf.queue.put_back(shelf.queue.take(3))
    few = steps(lambda: shelf.queue.put_back(shelf.queue.take(3)))
    for _ in range(1000):
        shelf.queue.put_back(shelf.queue.take(3))
    many = max(steps(lambda: shelf.queue.put_back(shelf.queue.take(3))) for _ in range(30))
    assert many < 4 * few


def test_what_is_taken_of_a_batch_keeps_its_own_bodies_and_no_others() -> None:
    shelf = Shelf()
    shelf.add(0, 1000)
    (taken,) = shelf.queue.take(3)
    assert len(taken.batch.bodies) == 3
    assert taken.tasks is taken.batch
