"""Handles are futures: of ``concurrent.futures``, of ``asyncio``, and of ``submit``."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
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


def sleep(seconds: float = 60) -> None:
    time.sleep(seconds)


# ── The record ─────────────────────────────────────────────────────────────────────────────────


def test_result_and_record_do_not_pop(controller: crew.Controller) -> None:
    handle = controller.push(twice, (4,), name="it")
    assert handle.result(SECONDS) == 8
    assert handle.record is not None
    assert handle.record.result == 8
    assert controller.size == 1
    popped = controller.pop()
    assert popped is handle.record
    assert handle.result() == 8  # and it can still be asked after the pop


def test_an_unfinished_task_has_no_record(controller: crew.Controller, gate: Any) -> None:
    handle = controller.push(gate.hold, (5,), name="held")
    gate.wait_for(1)
    before = (handle.record, handle.status, handle.done(), handle.cancelled())
    assert before == (None, None, False, False)
    assert repr(handle) == "<crew task 'held': unfinished>"
    gate.open()
    assert handle.result(SECONDS) == 5
    assert (handle.status, handle.done(), handle.cancelled()) == ("success", True, False)
    assert repr(handle) == "<crew task 'held': success>"


def test_the_value_is_one_object_however_it_is_asked_for(controller: crew.Controller) -> None:
    first_the_value: crew.Task[list[str]] = controller.push(list, ("ab",))
    value = first_the_value.result(SECONDS)
    assert value == ["a", "b"]
    assert first_the_value.result() is value
    assert first_the_value.record is not None
    assert first_the_value.record.result is value
    assert first_the_value.result() is value
    first_the_record: crew.Task[list[str]] = controller.push(list, ("ab",))
    assert controller.wait()
    assert first_the_record.record is not None
    assert first_the_record.result() is first_the_record.record.result


def test_the_value_of_a_task_that_warned_comes_with_its_warnings(
    controller: crew.Controller,
) -> None:
    handle = controller.push("import warnings; warnings.warn('look'); 5")
    assert handle.result(SECONDS) == 5
    assert handle.record is not None
    assert handle.record.warnings is not None
    assert "look" in handle.record.warnings
    assert controller.summary()["warnings"].sum() == 1


def test_status_tells_how_it_ended(controller: crew.Controller) -> None:
    failed, late = controller.push(fail), controller.push(sleep, seconds_timeout=0.05)
    failed.exception(SECONDS)
    late.exception(SECONDS)
    assert (failed.status, late.status) == ("error", "timeout")


class NotHere:
    """Can be unpickled in the task's process only."""

    def __reduce__(self) -> tuple[Any, ...]:
        return unpickle_in, (os.getpid(),)


def unpickle_in(pid: int) -> None:
    if os.getpid() != pid:
        raise RuntimeError("not in this process")


def test_a_result_that_cannot_be_unpickled_here_is_an_error(controller: crew.Controller) -> None:
    handle = controller.push(NotHere, name="odd")
    with pytest.raises(crew.TaskError, match=r"result of task 'odd'.*not in this process"):
        handle.result(SECONDS)
    assert handle.status == "error"
    record = controller.pop()
    assert record is not None
    assert (record.status, record.code, record.result) == ("error", -1, None)


# ── The interface of concurrent.futures ────────────────────────────────────────────────────────


def test_result_with_a_timeout_raises_while_the_task_runs(
    controller: crew.Controller, gate: Any
) -> None:
    handle = controller.push(gate.hold, name="held")
    for kind in (TimeoutError, concurrent.futures.TimeoutError):
        with pytest.raises(kind, match="'held'"):
            handle.result(0.01)
        with pytest.raises(kind, match="'held'"):
            handle.exception(timeout=0)
    gate.open()
    assert handle.result(SECONDS) is None


def test_exception_is_what_result_raises(controller: crew.Controller) -> None:
    assert controller.push(twice, (1,)).exception(SECONDS) is None
    handle = controller.push(fail)
    error = handle.exception(SECONDS)
    assert isinstance(error, ValueError)
    assert str(error) == "broken"
    with pytest.raises(ValueError, match="broken"):
        handle.result()


def test_a_timeout_raises_a_timeout_error_with_the_record(controller: crew.Controller) -> None:
    handle = controller.push(sleep, seconds_timeout=0.05)
    error = handle.exception(SECONDS)
    assert isinstance(error, crew.TaskTimeoutError)
    assert isinstance(error, TimeoutError)
    assert error.record is handle.record


def test_wait_and_as_completed_take_handles(controller: crew.Controller, gate: Any) -> None:
    held = controller.push(gate.hold)
    others: list[crew.Task[Any]] = [controller.push(twice, (i,)) for i in range(3)]
    everything: list[Future[Any]] = [held, *others]

    done, not_done = concurrent.futures.wait(others, timeout=SECONDS)
    assert (done, not_done) == (set(others), set())

    done, not_done = concurrent.futures.wait(
        everything, timeout=SECONDS, return_when=concurrent.futures.FIRST_COMPLETED
    )
    assert held in not_done
    assert done == set(others)

    done, not_done = concurrent.futures.wait(everything, timeout=0.01)
    assert not_done == {held}

    completed = concurrent.futures.as_completed(everything, timeout=SECONDS)
    assert {next(completed) for _ in others} == set(others)
    gate.open()
    assert list(completed) == [held]
    assert set(concurrent.futures.wait(everything, timeout=0).done) == set(everything)


def test_wait_for_the_first_exception(controller: crew.Controller, gate: Any) -> None:
    held = controller.push(gate.hold)
    gate.wait_for(1)
    bad = controller.push(fail)
    when = concurrent.futures.FIRST_EXCEPTION
    done, not_done = concurrent.futures.wait([held, bad], timeout=SECONDS, return_when=when)
    assert (done, not_done) == ({bad}, {held})


def test_handles_mix_with_other_futures(controller: crew.Controller) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        mixed = [threads.submit(twice, 1), controller.push(twice, (2,))]
        finished = concurrent.futures.as_completed(mixed, timeout=SECONDS)
        assert sorted(future.result() for future in finished) == [2, 4]


def test_threads_may_wait_for_handles_and_other_futures_in_any_order(
    controller: crew.Controller, gate: Any
) -> None:
    # concurrent.futures takes the locks in the order of the futures' addresses: in one thread a
    # handle's before the other's, in the other thread a handle's after it.
    futures: list[Future[Any]] = []
    for _ in range(20):
        futures += [controller.push(gate.hold), Future()]
    handles = sorted(futures[::2], key=id)
    other = sorted(futures[1::2], key=id)[10]
    pairs = [[handles[0], other], [other, handles[-1]]]

    def look(pair: list[Future[Any]]) -> int:
        return sum(len(concurrent.futures.wait(pair, 0).not_done) for _ in range(2000))

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        looks = [threads.submit(look, pair) for pair in pairs]
        assert [found.result(SECONDS) for found in looks] == [4000, 4000]


def test_wait_sees_cancelled_handles(controller: crew.Controller, gate: Any) -> None:
    held = controller.push(gate.hold)
    gate.wait_for(1)
    held.cancel()
    assert concurrent.futures.wait([held], timeout=SECONDS).done == {held}


def test_two_threads_may_wait_for_one_handle(controller: crew.Controller, gate: Any) -> None:
    handle = controller.push(gate.hold, (7,))
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(handle.result, SECONDS) for _ in range(2)]
        waiting += [threads.submit(concurrent.futures.wait, [handle], SECONDS) for _ in range(2)]
        gate.open()
        assert [future.result(SECONDS) for future in waiting[:2]] == [7, 7]
        assert [future.result(SECONDS).done for future in waiting[2:]] == [{handle}, {handle}]


# ── Cancelling ─────────────────────────────────────────────────────────────────────────────────


def test_cancel_stops_a_running_task_and_spares_its_worker(
    controller: crew.Controller, gate: Any
) -> None:
    handle = controller.push(gate.hold, name="it")
    gate.wait_for(1)
    assert handle.cancel() is True
    with pytest.raises(CancelledError):
        handle.result(SECONDS)
    with pytest.raises(CancelledError):
        handle.exception()
    assert handle.cancelled()
    assert handle.done()
    assert handle.cancel() is False
    record = controller.pop()
    assert record is not None
    assert (record.status, record.code, record.name) == ("cancel", 20, "it")
    assert record.instance is not None
    again = controller.push("1")
    again.result(SECONDS)
    assert again.record is not None
    rows = controller.launcher.summary().set_index("instance")
    assert rows.loc[record.instance, "online"]


def test_cancel_removes_a_task_from_the_queue(make: Make, gate: Any) -> None:
    controller = make(workers=1)
    controller.push(gate.hold)
    gate.wait_for(1)
    queued = controller.push(twice, (1,), name="queued")
    assert queued.cancel() is True
    with pytest.raises(CancelledError):
        queued.result(SECONDS)
    assert queued.record is not None
    assert (queued.record.status, queued.record.attempts) == ("cancel", 0)
    gate.open()


def test_a_finished_task_cannot_be_cancelled(controller: crew.Controller) -> None:
    handle = controller.push(twice, (1,))
    handle.result(SECONDS)
    assert handle.cancel() is False
    assert not handle.cancelled()
    assert handle.result() == 2


def test_a_task_that_ignores_the_interrupt_is_stopped_all_the_same(
    controller: crew.Controller, gate: Any
) -> None:
    def stubborn(entered: Callable[[], object]) -> None:
        while True:
            try:
                entered()
            except BaseException:  # noqa: BLE001  (what is tested)
                continue

    handle = controller.push(stubborn, (gate.hold,))
    gate.wait_for(1)
    handle.cancel()
    with pytest.raises(CancelledError):
        handle.result(SECONDS)
    assert controller.push(twice, (1,)).result(SECONDS) == 2


def test_the_controller_cancels_by_name_or_all(controller: crew.Controller, gate: Any) -> None:
    handles = {name: controller.push(gate.hold, name=name) for name in "abcd"}
    gate.wait_for(2)
    controller.cancel(["a", "c", "nobody"])
    for name in "ac":
        with pytest.raises(CancelledError):
            handles[name].result(SECONDS)
    controller.cancel("b")
    with pytest.raises(CancelledError):
        handles["b"].result(SECONDS)
    assert not handles["d"].done()
    single = controller.submit(gate.hold)
    controller.cancel(all=True)
    for handle in (handles["d"], single):
        with pytest.raises(CancelledError):
            handle.result(SECONDS)
    assert controller.wait(seconds_timeout=SECONDS)
    table = controller.collect()
    assert table is not None
    assert sorted(table["name"]) == ["a", "b", "c", "d"]
    assert set(table["status"]) == {"cancel"}


# ── Callbacks ──────────────────────────────────────────────────────────────────────────────────


def test_callbacks_are_called_with_the_handle_in_the_order_of_adding(
    controller: crew.Controller, gate: Any
) -> None:
    called: list[tuple[str, Future[Any]]] = []
    finished = threading.Event()
    handle = controller.push(gate.hold)
    handle.add_done_callback(lambda h: called.append(("first", h)))
    handle.add_done_callback(lambda h: called.append(("second", h)))
    handle.add_done_callback(lambda h: finished.set())
    assert called == []
    gate.open()
    assert finished.wait(SECONDS)
    assert called == [("first", handle), ("second", handle)]


def test_a_callback_on_a_finished_task_is_called_at_once(controller: crew.Controller) -> None:
    handle = controller.push(twice, (1,))
    handle.result(SECONDS)
    called: list[Future[Any]] = []
    handle.add_done_callback(called.append)
    assert called == [handle]


def test_a_callback_may_push_the_next_task(controller: crew.Controller, gate: Any) -> None:
    second: Future[crew.Task[int]] = Future()
    first = controller.push(gate.hold, (2,))
    first.add_done_callback(lambda h: second.set_result(controller.push(twice, (h.result(),))))
    gate.open()
    assert second.result(SECONDS).result(SECONDS) == 4


def test_a_callback_that_raises_is_logged_and_harms_nobody(
    controller: crew.Controller, gate: Any, caplog: pytest.LogCaptureFixture
) -> None:
    finished = threading.Event()
    handle = controller.push(gate.hold, name="watched")
    handle.add_done_callback(lambda h: fail("in the callback"))
    handle.add_done_callback(lambda h: finished.set())
    with caplog.at_level(logging.ERROR, logger="crew"):
        gate.open()
        assert finished.wait(SECONDS)
    assert "'watched'" in caplog.text
    assert "in the callback" in caplog.text
    with caplog.at_level(logging.ERROR, logger="crew"):
        handle.add_done_callback(lambda h: fail("too late"))
    assert "too late" in caplog.text
    assert controller.push(twice, (1,)).result(SECONDS) == 2


def leave_python(_: object) -> None:
    raise SystemExit(3)


def test_a_callback_that_calls_exit_does_not_end_crews_thread(
    controller: crew.Controller, gate: Any, caplog: pytest.LogCaptureFixture
) -> None:
    handle = controller.push(gate.hold, name="watched")
    handle.add_done_callback(leave_python)
    with caplog.at_level(logging.ERROR, logger="crew"):
        gate.open()
        assert handle.result(SECONDS) is None
        assert controller.push(twice, (1,)).result(SECONDS) == 2
    assert "'watched'" in caplog.text


# ── submit ─────────────────────────────────────────────────────────────────────────────────────


def test_submit_calls_with_the_arguments_and_returns_a_future(controller: crew.Controller) -> None:
    assert controller.submit(twice, 21).result(SECONDS) == 42
    assert controller.submit(dict, a=1, fn=2, name="x").result(SECONDS) == {
        "a": 1,
        "fn": 2,
        "name": "x",
    }
    with pytest.raises(ValueError, match="broken"):
        controller.submit(fail).result(SECONDS)


def test_submitted_tasks_are_seen_through_their_futures_alone(
    controller: crew.Controller, gate: Any
) -> None:
    before = (controller.pushed, controller.popped, controller.resolved)
    quick, held = controller.submit(twice, 1), controller.submit(gate.hold)
    quick.result(SECONDS)
    assert (controller.size, controller.unresolved, controller.empty) == (0, 0, True)
    assert controller.pop() is None
    assert controller.collect() is None
    assert controller.wait() is True
    assert controller.wait("one") is False
    assert not held.done()
    assert (controller.pushed, controller.popped, controller.resolved) == before
    assert isinstance(quick, crew.Task)
    assert quick.record is not None
    assert quick.record.result == 2
    gate.open()


def test_a_submitted_task_does_not_keep_map_from_running(
    controller: crew.Controller, gate: Any
) -> None:
    held = controller.submit(gate.hold, "still here")
    table = controller.map(twice, {"x": [1, 2]})
    assert list(table["result"]) == [2, 4]
    assert not held.done()
    gate.open()
    assert held.result(SECONDS) == "still here"


# ── asyncio ────────────────────────────────────────────────────────────────────────────────────


def test_await_gives_the_value_or_raises(controller: crew.Controller) -> None:
    async def main() -> int:
        with pytest.raises(ValueError, match="broken"):
            await controller.push(fail)
        return await controller.push(twice, (1,)) + await controller.submit(twice, 2)

    assert asyncio.run(main()) == 6


def test_await_of_a_finished_task(controller: crew.Controller) -> None:
    handle = controller.push(twice, (1,))
    handle.result(SECONDS)

    async def main() -> int:
        return await handle

    assert asyncio.run(main()) == 2


def test_gather_of_many(controller: crew.Controller) -> None:
    async def main() -> list[int]:
        return await asyncio.gather(*(controller.push(twice, (i,)) for i in range(100)))

    assert asyncio.run(main()) == [2 * i for i in range(100)]


def test_wrap_future(controller: crew.Controller) -> None:
    async def main() -> int:
        wrapped = asyncio.wrap_future(controller.push(twice, (4,)))
        return await asyncio.wait_for(wrapped, SECONDS)

    assert asyncio.run(main()) == 8


def test_the_event_loop_runs_on_while_a_task_is_awaited(
    controller: crew.Controller, gate: Any
) -> None:
    async def main() -> object:
        waiting = asyncio.ensure_future(controller.push(gate.hold, ("done",)))
        await asyncio.get_running_loop().run_in_executor(None, gate.wait_for, 1)
        assert not waiting.done()
        gate.open()
        return await waiting

    assert asyncio.run(main()) == "done"


def test_cancelling_the_await_cancels_the_task(controller: crew.Controller, gate: Any) -> None:
    handle = controller.push(gate.hold)

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(handle), 0.05)

    asyncio.run(main())
    with pytest.raises(CancelledError):
        handle.result(SECONDS)


def test_awaiting_a_task_that_is_cancelled_raises_asyncios_error(
    controller: crew.Controller, gate: Any
) -> None:
    async def main() -> None:
        handle = controller.push(gate.hold)
        await asyncio.get_running_loop().run_in_executor(None, gate.wait_for, 1)
        handle.cancel()
        with pytest.raises(asyncio.CancelledError):
            await handle

    asyncio.run(main())


# ── The end of the controller ──────────────────────────────────────────────────────────────────


def test_terminate_ends_the_waiting_of_all_who_wait(make: Make, gate: Any) -> None:
    controller = make(workers=1)
    handle = controller.push(gate.hold, name="it")
    gate.wait_for(1)
    called = threading.Event()
    handle.add_done_callback(lambda h: called.set())
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        waiting = threads.submit(functools.partial(handle.exception, SECONDS))
        controller.terminate()
        assert isinstance(waiting.result(SECONDS), crew.CrewError)
    assert called.wait(SECONDS)
    with pytest.raises(crew.CrewError, match="terminated before the task ended"):
        handle.result()
    assert handle.done()
    assert concurrent.futures.wait([handle], timeout=0).done == {handle}


# ── Trouble ────────────────────────────────────────────────────────────────────────────────────


class Refusing(Launcher):
    """A platform that starts nobody."""

    def launch(self, request: LaunchRequest) -> list[Any]:
        raise crew.LaunchError("no quota is left")


def test_a_handle_does_not_wait_for_workers_that_cannot_be_launched() -> None:
    with crew.controller(Refusing()) as controller:
        handle = controller.submit(twice, 4)
        with pytest.raises(crew.LaunchError, match="no quota"):
            handle.result(SECONDS)


def test_a_callback_that_asks_the_dispatcher_is_refused_and_does_no_harm(
    controller: crew.Controller, gate: Any
) -> None:
    told = threading.Event()

    def ask(_: Future[object]) -> None:
        try:
            controller.client.summary()
        except crew.CrewError as error:
            assert "done callback" in str(error)  # noqa: PT017 - on another thread
            told.set()

    controller.submit(gate.hold).add_done_callback(ask)
    gate.open()
    assert told.wait(SECONDS)
    assert controller.submit(twice, 5).result(SECONDS) == 10


def test_what_result_raises_shows_the_traceback_of_the_worker(controller: crew.Controller) -> None:
    with pytest.raises(ValueError, match="broken") as caught:
        controller.submit(fail).result(SECONDS)
    assert "raise ValueError(message)" in str(caught.value.__cause__)
