"""A controller serves as an executor of the standard library."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import operator
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from typing import Any

import pytest

import crew_core as crew
from crew_core.plugins import Launcher, LaunchRequest

Make = Callable[..., crew.Controller]

SECONDS = 90


def twice(x: int) -> int:
    return 2 * x


def fail(message: str = "broken") -> None:
    raise ValueError(message)


def is_started(controller: crew.Controller) -> bool:
    return controller.started  # asked anew each time, which a type checker does not know


class Refusing(Launcher):
    """A platform that starts nobody."""

    def launch(self, request: LaunchRequest) -> list[Any]:
        raise crew.LaunchError("no quota is left")


# ── submit ─────────────────────────────────────────────────────────────────────────────────────


def test_submit_returns_a_future_that_pop_does_not_see(controller: crew.Controller) -> None:
    with controller.executor() as executor:
        assert isinstance(executor, Executor)
        future = executor.submit(pow, 2, 8)
        assert isinstance(future, crew.Task)
        assert future.result(SECONDS) == 256
        keywords: crew.Task[Any] = executor.submit(dict, fn=1, self=2, name="x")
        assert keywords.result(SECONDS) == {"fn": 1, "self": 2, "name": "x"}
        with pytest.raises(ValueError, match="broken"):
            executor.submit(fail).result(SECONDS)
        assert controller.size == 0


def test_submit_needs_a_callable_as_a_position(controller: crew.Controller) -> None:
    executor: Any = controller.executor()
    with pytest.raises(TypeError):
        executor.submit()
    with pytest.raises(TypeError):
        executor.submit(fn=twice, x=1)
    with pytest.raises(TypeError):
        executor.submit("1 + 1")
    executor.shutdown()


def test_wait_and_as_completed_of_the_standard_library(
    controller: crew.Controller, gate: Any
) -> None:
    with controller.executor() as executor:
        held: Future[Any] = executor.submit(gate.hold)
        quick: Future[Any] = executor.submit(twice, 1)
        first = concurrent.futures.FIRST_COMPLETED
        assert concurrent.futures.wait([held, quick], SECONDS, first).done == {quick}
        gate.open()
        assert set(concurrent.futures.as_completed([held, quick], SECONDS)) == {held, quick}


# ── map ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("chunksize", [1, 3, 100])
def test_map_gives_values_in_order(controller: crew.Controller, chunksize: int) -> None:
    with controller.executor() as executor:
        assert list(executor.map(pow, range(10), range(10), chunksize=chunksize)) == list(
            map(pow, range(10), range(10))
        )
        assert list(executor.map(operator.add, [1, 2, 3], [1, 2], chunksize=chunksize)) == [2, 4]
        assert list(executor.map(twice, [], chunksize=chunksize)) == []


@pytest.mark.parametrize("chunksize", [1, 2])
def test_map_raises_when_the_iterator_comes_to_it(
    controller: crew.Controller, chunksize: int
) -> None:
    with controller.executor() as executor:
        values = executor.map(divmod, [1, 1, 1, 1], [2, 3, 0, 5], chunksize=chunksize)
        assert next(values) == (0, 1)
        assert next(values) == (0, 1)
        with pytest.raises(ZeroDivisionError):
            next(values)
        with pytest.raises(StopIteration):
            next(values)


@pytest.mark.parametrize("chunksize", [1, 2])
def test_map_lets_go_of_what_it_gave_out(controller: crew.Controller, chunksize: int) -> None:
    with controller.executor() as executor:
        values: Iterator[set[int]] = executor.map(set, [[i] for i in range(6)], chunksize=chunksize)
        for value in values:
            given = weakref.ref(value)
            del value
            crew.retry(functools.partial(_is_gone, given), seconds_interval=0.01)


def _is_gone(reference: weakref.ref[set[int]]) -> bool:
    return reference() is None


def test_map_refuses_chunks_of_nothing(controller: crew.Controller) -> None:
    with controller.executor() as executor, pytest.raises(ValueError, match="chunksize"):
        executor.map(twice, [1], chunksize=0)


def test_map_queues_at_once(controller: crew.Controller, gate: Any) -> None:
    with controller.executor() as executor:
        values = executor.map(gate.hold, [1, 2])
        gate.wait_for(2)
        gate.open()
        assert list(values) == [1, 2]


def test_map_times_out_and_cancels_the_rest(controller: crew.Controller, gate: Any) -> None:
    with controller.executor() as executor:
        executor.submit(twice, 1).result(SECONDS)  # a worker is there
        values = executor.map(gate.hold, [1, 2, 3], timeout=0.05)
        with pytest.raises(concurrent.futures.TimeoutError):
            next(values)
        # Leaving waits for all that was queued, and the gate is still closed.


def test_closing_the_iterator_of_map_cancels_the_rest(
    controller: crew.Controller, gate: Any
) -> None:
    def first_or_held(i: int) -> object:
        return gate.hold() if i else i

    with controller.executor() as executor:
        values: Any = executor.map(first_or_held, range(5))
        assert next(values) == 0
        values.close()


def test_a_map_that_cannot_be_queued_cancels_what_was(
    controller: crew.Controller, gate: Any
) -> None:
    with controller.executor() as executor, pytest.raises(crew.SerializationError):
        executor.map(gate.hold, [1, threading.Lock()])


# ── shutdown ───────────────────────────────────────────────────────────────────────────────────


def test_after_shutdown_submit_and_map_raise_and_the_controller_goes_on(
    controller: crew.Controller,
) -> None:
    controller.start()
    executor = controller.executor()
    future = executor.submit(twice, 1)
    executor.shutdown()
    executor.shutdown()
    assert future.done()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(twice, 1)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.map(twice, [1])
    assert is_started(controller)
    assert controller.push(twice, (2,)).result(SECONDS) == 4
    assert controller.executor().submit(twice, 3).result(SECONDS) == 6


def test_shutdown_waits_for_what_runs(controller: crew.Controller, gate: Any) -> None:
    executor = controller.executor()
    held = executor.submit(gate.hold, 7)
    gate.wait_for(1)
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(executor.shutdown)
        with pytest.raises(concurrent.futures.TimeoutError):
            waiting.result(0.1)
        gate.open()
        waiting.result(SECONDS)
    assert held.done()
    assert held.result() == 7


def test_shutdown_without_waiting(controller: crew.Controller, gate: Any) -> None:
    controller.start()
    executor = controller.executor()
    held = executor.submit(gate.hold, 7)
    executor.shutdown(wait=False)
    assert not held.done()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(twice, 1)
    gate.open()
    assert held.result(SECONDS) == 7


def test_shutdown_may_cancel_the_futures(controller: crew.Controller, gate: Any) -> None:
    controller.start()  # else the executor would end it with its own tasks
    executor = controller.executor()
    done = executor.submit(twice, 1)
    done.result(SECONDS)
    futures = [executor.submit(gate.hold) for _ in range(5)]
    elsewhere = controller.submit(gate.hold, "spared")
    executor.shutdown(cancel_futures=True)
    assert all(future.cancelled() for future in futures)
    with pytest.raises(CancelledError):
        futures[0].result()
    assert not done.cancelled()
    gate.open()
    assert elsewhere.result(SECONDS) == "spared"


def test_shutdown_waits_for_its_own_futures_only(controller: crew.Controller, gate: Any) -> None:
    controller.start()
    elsewhere = controller.submit(gate.hold, "elsewhere")
    with controller.executor() as executor, controller.executor() as other:
        futures = [executor.submit(twice, i) for i in range(20)]
        executor.shutdown()
        assert all(future.done() for future in futures)
        assert not elsewhere.done()
        assert other.submit(twice, 4).result(SECONDS) == 8
    gate.open()
    assert elsewhere.result(SECONDS) == "elsewhere"


def test_an_executor_that_started_the_controller_terminates_it(make: Make) -> None:
    controller = make()
    with controller.executor() as executor:
        assert not is_started(controller)
        future = executor.submit(twice, 1)
        assert is_started(controller)
    assert not is_started(controller)
    assert future.result() == 2


def test_what_the_user_started_anew_is_left_alone(make: Make) -> None:
    controller = make()
    with controller.executor() as executor:
        executor.submit(twice, 1).result(SECONDS)
        controller.terminate()
        controller.start()
    assert is_started(controller)


def test_an_executor_that_started_the_controller_ends_it_after_the_last_future_without_waiting(
    make: Make, gate: Any
) -> None:
    controller = make()
    executor = controller.executor()
    held = executor.submit(gate.hold, 7)
    executor.shutdown(wait=False)
    assert is_started(controller)
    gate.open()
    assert held.result(SECONDS) == 7
    crew.retry(lambda: not is_started(controller), seconds_interval=0.01)


def test_shutdown_does_not_wait_for_workers_that_cannot_be_launched(state_home: Any) -> None:
    with crew.controller(Refusing()) as controller, controller.executor() as executor:
        future = executor.submit(twice, 1)
        with pytest.raises(crew.LaunchError, match="no quota"):
            future.result(SECONDS)


# ── asyncio ────────────────────────────────────────────────────────────────────────────────────


def test_run_in_executor(controller: crew.Controller) -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()
        with controller.executor() as executor:
            with pytest.raises(ValueError, match="broken"):
                await loop.run_in_executor(executor, fail)
            calls = (loop.run_in_executor(executor, twice, x) for x in range(5))
            return await asyncio.gather(*calls)

    assert asyncio.run(main()) == [0, 2, 4, 6, 8]
