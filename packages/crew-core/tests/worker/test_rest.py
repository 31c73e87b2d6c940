"""When a supervisor looks at its task process again."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Iterator

import pytest

from crew_core._worker.rest import REST_SECONDS, Rest, wait_for_others

MANY = 1_000_000


class Worker:
    """A task process that is looked at when the rest is over and a task has ended.

    Args:
        seconds: of each of its tasks.
        size: what it says of each, in bytes.
    """

    def __init__(self, seconds: float, *, size: int = 100) -> None:
        self._seconds = seconds
        self._size = size
        self._now = self._rest_seconds = 0.0
        self._rest = Rest()
        self._rest.begin(self._now)

    def look(self, *, ahead: int) -> float:
        ended = max(1, round(self._rest_seconds / self._seconds))
        self._now += ended * self._seconds
        self._rest_seconds = self._rest.after(ended, ended * self._size, ahead, self._now)
        return self._rest_seconds

    def looks(self, count: int, *, ahead: int = MANY) -> list[float]:
        return [self.look(ahead=ahead) for _ in range(count)]


def test_tasks_of_milliseconds_are_soon_looked_at_ten_at_a_time() -> None:
    assert Worker(0.005).looks(12)[-1] == pytest.approx(REST_SECONDS)


def test_the_rest_is_over_when_half_of_the_tasks_are_expected_to_be_done() -> None:
    rests = Worker(0.001).looks(20, ahead=20)

    assert rests[-1] == pytest.approx(0.010)


def test_there_is_no_rest_for_tasks_that_are_few_or_long() -> None:
    assert not any(Worker(0.005).looks(12, ahead=8))
    assert not any(Worker(0.015).looks(12))


def test_what_the_first_tasks_took_is_not_believed_for_longer_than_they_were_watched() -> None:
    rests = Worker(0.00001).looks(20)

    assert rests[0] == 0.0
    watched = 0.00001
    for rest in rests[1:]:
        assert rest <= 2 * watched
        watched += max(rest, 0.00001)
    assert rests[-1] > 0.01


def test_time_without_tasks_is_not_taken_for_slow_tasks() -> None:
    rest = Rest()
    rest.begin(1_000.0)

    assert rest.after(100, 1, MANY, 1_000.001) <= 0.001


def test_one_slow_task_among_many_quick_ones_costs_no_long_rest() -> None:
    rest = Rest()
    rest.begin(0.0)
    for look in range(10):
        rest.after(500, 1, 512, 0.005 * (look + 1))

    assert rest.after(1, 1, 512, 0.06) <= 0.005


def test_large_results_are_fetched_before_the_pipe_is_full() -> None:
    rests = Worker(0.001, size=1 << 15).looks(20)

    assert rests[-1] == pytest.approx(0.008)


def test_a_look_that_found_nothing_is_no_reason_to_rest() -> None:
    rest = Rest()
    rest.begin(0.0)

    assert rest.after(0, 0, MANY, 1.0) == 0.0


@pytest.fixture
def pipes() -> Iterator[list[tuple[int, int]]]:
    both = [os.pipe(), os.pipe()]
    yield both
    for pair in both:
        for fd in pair:
            os.close(fd)


def test_all_but_the_task_process_is_heard_at_rest(pipes: list[tuple[int, int]]) -> None:
    (outbox, talks), (other, calls) = pipes
    with selectors.DefaultSelector() as selector:
        selector.register(outbox, selectors.EVENT_READ)
        selector.register(other, selectors.EVENT_READ)
        os.write(talks, b"x")

        assert wait_for_others(selector, outbox, 0.0) == set()

        os.write(calls, b"x")
        began = time.monotonic()

        assert wait_for_others(selector, outbox, 60.0) == {other}
        assert time.monotonic() < began + 30  # it did not wait for its time to pass


def test_room_to_write_is_heard_at_rest(pipes: list[tuple[int, int]]) -> None:
    (outbox, talks), _ = pipes
    with selectors.DefaultSelector() as selector:
        selector.register(outbox, selectors.EVENT_READ)
        selector.register(talks, selectors.EVENT_WRITE)

        assert wait_for_others(selector, outbox, 60.0) == {talks}
