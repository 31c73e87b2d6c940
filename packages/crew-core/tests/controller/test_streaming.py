"""Tasks are handed out as they finish, in threads and in event loops."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection
from concurrent.futures import CancelledError
from types import FrameType
from typing import Any

import pytest

import crew_core as crew
from crew_core.plugins import Launcher, LaunchRequest

Make = Callable[..., crew.Controller]

SECONDS = 30


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


async def inside(gate: Any, tasks: int) -> None:
    await asyncio.get_running_loop().run_in_executor(None, gate.wait_for, tasks)


# ── results ────────────────────────────────────────────────────────────────────────────────────


def test_results_pops_every_record_and_ends(controller: crew.Controller) -> None:
    controller.walk(twice, {"x": list(range(20))})
    assert sorted(record.result for record in controller.results()) == [2 * i for i in range(20)]
    assert (controller.size, controller.pop()) == (0, None)


def test_results_of_an_empty_controller_ends_at_once(
    controller: crew.Controller, make: Make
) -> None:
    assert list(controller.results()) == []
    unstarted = make()
    assert list(unstarted.results()) == []
    assert not unstarted.started


def test_results_gives_records_in_order_of_completion(
    controller: crew.Controller, gate: Any
) -> None:
    controller.push(gate.hold, name="held")
    quick = controller.push(twice, (1,), name="quick")
    quick.result(SECONDS)
    results = controller.results()
    assert next(results).name == "quick"
    assert controller.size == 1
    gate.open()
    assert [record.name for record in results] == ["held"]


def test_results_gives_what_is_pushed_meanwhile_and_what_was_pushed_later(
    controller: crew.Controller,
) -> None:
    controller.push(twice, (1,))
    seen = []
    results = controller.results()
    for record in results:
        seen.append(record.result)
        if len(seen) < 4:
            controller.push(twice, (record.result,))
    assert seen == [2, 4, 8, 16]
    controller.push(twice, (5,))
    assert [record.result for record in results] == [10]


def test_results_does_not_see_submitted_tasks(controller: crew.Controller, gate: Any) -> None:
    held = controller.submit(gate.hold)
    controller.push(twice, (1,))
    assert [record.result for record in controller.results()] == [2]
    assert not held.done()
    gate.open()


def test_results_raises_with_stop_and_can_be_used_further(controller: crew.Controller) -> None:
    controller.push(fail, name="bad").exception(SECONDS)
    controller.push(twice, (1,))
    results = controller.results(error="stop")
    with pytest.raises(crew.TaskError, match="broken") as caught:
        next(results)
    assert caught.value.record is not None
    assert caught.value.record.name == "bad"
    assert [record.result for record in results] == [2]


def test_results_warns_at_the_users_line(controller: crew.Controller) -> None:
    controller.push(fail)
    with pytest.warns(crew.TaskWarning, match="broken") as caught:
        assert [record.status for record in controller.results(error="warn")] == ["error"]
    assert caught[0].filename == __file__


def test_results_is_silent_by_default(controller: crew.Controller) -> None:
    controller.push(fail)
    assert [record.status for record in controller.results()] == ["error"]


def test_results_checks_its_argument_at_the_call(controller: crew.Controller) -> None:
    wrong: Any = "loud"
    with pytest.raises(crew.ConfigError, match="loud"):
        controller.results(error=wrong)


def test_two_threads_may_share_the_records(controller: crew.Controller) -> None:
    controller.walk(twice, {"x": list(range(50))})
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        shares = [threads.submit(lambda: list(controller.results())) for _ in range(2)]
        records = [record for share in shares for record in share.result(SECONDS)]
    assert sorted(record.result for record in records) == [2 * i for i in range(50)]


def test_ctrl_c_interrupts_results_and_leaves_the_controller_usable(
    controller: crew.Controller, gate: Any
) -> None:
    controller.push(gate.hold, (7,))

    def interrupt() -> None:
        gate.wait_for(1)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - it may come at any point
        thread.start()
        next(controller.results())
    thread.join(SECONDS)
    gate.open()
    assert [record.result for record in controller.results()] == [7]


def test_results_raises_when_no_workers_can_be_launched(state_home: Any) -> None:
    with crew.controller(Refusing()) as controller:
        controller.push(twice, (1,))
        with pytest.raises(crew.LaunchError, match="no quota"):
            list(controller.results())


def test_results_raises_when_another_thread_terminates(make: Make, gate: Any) -> None:
    controller = make()
    controller.push(gate.hold)
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(next, controller.results())
        gate.wait_for(1)
        controller.terminate()
        assert isinstance(waiting.exception(SECONDS), (crew.CrewError, StopIteration))


def test_results_gives_what_is_there_when_the_dispatcher_dies_and_then_raises(
    make: Make, gate: Any
) -> None:
    controller = make(workers=2)
    controller.push(twice, (1,)).result(SECONDS)
    controller.push(gate.hold)
    gate.wait_for(1)
    os.kill(controller.client.pid, signal.SIGKILL)
    results = controller.results()
    assert next(results).result == 2
    with pytest.raises(crew.DispatcherError):
        next(results)


# ── as_completed ───────────────────────────────────────────────────────────────────────────────


def test_as_completed_gives_handles_as_they_finish_and_pops_nothing(
    controller: crew.Controller, gate: Any
) -> None:
    held = controller.push(gate.hold)
    quick = controller.push(twice, (1,))
    completed = controller.as_completed()
    assert next(completed) is quick
    gate.open()
    assert list(completed) == [held]
    assert controller.size == 2
    assert set(controller.as_completed()) == {held, quick}


def test_as_completed_takes_some_handles_submitted_ones_and_what_walk_returns(
    controller: crew.Controller, gate: Any
) -> None:
    controller.push(gate.hold)
    some = [controller.push(twice, (1,)), controller.submit(twice, 2)]
    assert set(controller.as_completed([*some, some[0]])) == set(some)
    walked = controller.walk(twice, {"x": [1, 2, 3]})
    assert sorted(h.result() for h in controller.as_completed(walked)) == [2, 4, 6]
    gate.open()


def test_as_completed_goes_on_when_records_are_popped_meanwhile(
    controller: crew.Controller,
) -> None:
    handles = controller.walk(twice, {"x": list(range(10))})
    completed = controller.as_completed()
    assert len(list(controller.results())) == 10
    assert set(completed) == set(handles.values())


def test_two_threads_may_share_an_iterator_of_handles(controller: crew.Controller) -> None:
    handles = controller.walk(twice, {"x": list(range(100))})
    completed = controller.as_completed()
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        shares = [threads.submit(list, completed) for _ in range(2)]
        found = [handle for share in shares for handle in share.result(SECONDS)]
    assert len(found) == 100
    assert set(found) == set(handles.values())


def test_as_completed_gives_failed_and_cancelled_ones(
    controller: crew.Controller, gate: Any
) -> None:
    bad, held = controller.push(fail), controller.push(gate.hold)
    completed = controller.as_completed()
    assert next(completed) is bad
    held.cancel()
    assert next(completed) is held
    assert held.cancelled()
    assert next(completed, None) is None


def test_as_completed_of_nothing(controller: crew.Controller, make: Make) -> None:
    assert list(controller.as_completed()) == []
    assert list(make().as_completed()) == []
    assert list(controller.as_completed([])) == []


def test_as_completed_refuses_what_is_no_handle_or_anothers(
    controller: crew.Controller, make: Make, gate: Any
) -> None:
    wrong: Any = ["task"]
    with pytest.raises(TypeError, match="'task'"):
        controller.as_completed(wrong)
    held = controller.push(gate.hold, name="held")
    with pytest.raises(crew.ConfigError, match="another controller"):
        make().as_completed([held])
    gate.open()
    held.result(SECONDS)
    assert list(make().as_completed([held])) == [held]


def test_as_completed_gives_all_handles_after_terminate(make: Make, gate: Any) -> None:
    controller = make()
    held = controller.push(gate.hold)
    completed = controller.as_completed()
    controller.terminate()
    assert list(completed) == [held]
    with pytest.raises(crew.CrewError, match="terminated"):
        held.result()


def test_as_completed_raises_when_no_workers_can_be_launched(state_home: Any) -> None:
    with crew.controller(Refusing()) as controller:
        controller.push(twice, (1,))
        with pytest.raises(crew.LaunchError, match="no quota"):
            next(controller.as_completed())


# ── asyncio ────────────────────────────────────────────────────────────────────────────────────


def test_async_for_over_results(controller: crew.Controller) -> None:
    async def main() -> list[Any]:
        controller.walk(twice, {"x": list(range(20))})
        return [record.result async for record in controller.results()]

    assert sorted(asyncio.run(main())) == [2 * i for i in range(20)]
    assert controller.size == 0


def test_async_for_over_the_controller_is_over_its_results(controller: crew.Controller) -> None:
    async def main() -> list[Any]:
        controller.push(twice, (1,))
        return [record.result async for record in controller]

    assert asyncio.run(main()) == [2]


def test_async_results_raises_with_stop_and_can_be_used_further(
    controller: crew.Controller,
) -> None:
    async def main() -> list[Any]:
        controller.push(fail).exception(SECONDS)
        controller.push(twice, (1,))
        results = controller.results(error="stop")
        with pytest.raises(crew.TaskError, match="broken"):
            await results.__anext__()
        return [record.result async for record in results]

    assert asyncio.run(main()) == [2]


def test_the_loop_goes_on_while_results_are_awaited(controller: crew.Controller, gate: Any) -> None:
    async def main() -> list[Any]:
        controller.push(gate.hold, (7,))

        async def collect() -> list[Any]:
            return [record.result async for record in controller.results()]

        collecting = asyncio.ensure_future(collect())
        await inside(gate, 1)
        assert not collecting.done()
        gate.open()
        return await asyncio.wait_for(collecting, SECONDS)

    assert asyncio.run(main()) == [7]


def test_the_loop_goes_on_when_all_records_are_there(controller: crew.Controller) -> None:
    controller.walk(twice, {"x": list(range(20))})
    controller.wait()
    order = []

    async def main() -> None:
        async def other() -> None:
            order.append("other")

        other_task = asyncio.ensure_future(other())
        async for _ in controller.results():
            order.append("record")
        await other_task

    asyncio.run(main())
    assert order.index("other") < 2


def test_cancelling_the_iteration_leaves_the_controller_usable(
    controller: crew.Controller, gate: Any
) -> None:
    async def main() -> list[Any]:
        controller.push(gate.hold, (7,))
        waiting = asyncio.ensure_future(controller.results().__anext__())
        await inside(gate, 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert controller.size == 1
        gate.open()
        return [record.result async for record in controller.results()]

    assert asyncio.run(main()) == [7]
    assert controller.push(twice, (1,)).result(SECONDS) == 2


def test_timeouts_that_cut_the_iteration_short_lose_no_record(controller: crew.Controller) -> None:
    controller.walk(twice, {"x": list(range(200))})

    async def main() -> list[Any]:
        results, seen = controller.results(), []
        while True:
            try:
                seen.append((await asyncio.wait_for(results.__anext__(), 0.0005)).result)
            except asyncio.TimeoutError:
                continue
            except StopAsyncIteration:
                return seen

    assert sorted(asyncio.run(main())) == [2 * i for i in range(200)]


def test_two_coroutines_may_share_the_records(controller: crew.Controller) -> None:
    async def main() -> tuple[list[Any], list[Any]]:
        controller.walk(twice, {"x": list(range(50))})

        async def collect() -> list[Any]:
            return [record.result async for record in controller.results()]

        first, second = await asyncio.gather(collect(), collect())
        return first, second

    first, second = asyncio.run(main())
    assert sorted(first + second) == [2 * i for i in range(50)]


def test_async_results_raises_when_no_workers_can_be_launched(state_home: Any) -> None:
    async def main() -> None:
        async with crew.controller(Refusing()) as controller:
            controller.push(twice, (1,))
            with pytest.raises(crew.LaunchError, match="no quota"):
                await asyncio.wait_for(controller.results().__anext__(), SECONDS)

    asyncio.run(main())


def test_async_results_raises_when_the_dispatcher_dies(make: Make, gate: Any) -> None:
    controller = make()

    async def main() -> None:
        controller.push(gate.hold)
        waiting = asyncio.ensure_future(controller.results().__anext__())
        await inside(gate, 1)
        os.kill(controller.client.pid, signal.SIGKILL)
        with pytest.raises(crew.DispatcherError):
            await asyncio.wait_for(waiting, SECONDS)

    asyncio.run(main())


def test_a_loop_that_was_closed_under_the_iteration_harms_nobody(
    controller: crew.Controller, gate: Any
) -> None:
    held = controller.push(gate.hold)
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(controller.wait_async())
    loop.call_later(0.05, loop.stop)
    loop.run_forever()
    assert not waiting.done()
    loop.close()
    gate.open()
    assert held.result(SECONDS) is None
    assert controller.wait(seconds_timeout=SECONDS)
    waiting._log_destroy_pending = False  # type: ignore[attr-defined]  # it is meant


def test_async_for_over_as_completed(controller: crew.Controller, gate: Any) -> None:
    async def main() -> None:
        held, quick = controller.push(gate.hold), controller.push(twice, (1,))
        completed = controller.as_completed()
        assert await completed.__anext__() is quick
        gate.open()
        assert [handle async for handle in completed] == [held]

    asyncio.run(main())
    assert controller.size == 2


def test_no_thread_is_started_for_what_is_awaited(controller: crew.Controller, gate: Any) -> None:
    async def main() -> None:
        handles = [controller.push(gate.hold) for _ in range(20)]
        before = threading.active_count()
        steps = [asyncio.ensure_future(controller.results().__anext__()) for _ in range(20)]
        waiting = asyncio.ensure_future(controller.wait_async())
        awaited = [asyncio.wrap_future(handle) for handle in handles]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert threading.active_count() <= before
        gate.open()
        await asyncio.gather(*steps, *awaited, waiting)

    asyncio.run(main())


# ── wait_async, async with ─────────────────────────────────────────────────────────────────────


def test_wait_async_for_all_and_for_one(controller: crew.Controller, gate: Any) -> None:
    async def main() -> None:
        assert await controller.wait_async() is True
        assert await controller.wait_async("one") is False
        controller.push(gate.hold)
        assert await controller.wait_async("one", 0.01) is False
        controller.push(twice, (1,))
        assert await controller.wait_async("one", SECONDS) is True
        assert await controller.wait_async("all", seconds_timeout=0.01) is False
        assert await controller.wait_async(seconds_timeout=0) is False
        gate.open()
        assert await controller.wait_async(seconds_timeout=SECONDS) is True
        controller.push(twice, (2,))
        assert await controller is True
        wrong: Any = "some"
        with pytest.raises(crew.ConfigError, match="some"):
            await controller.wait_async(wrong)

    asyncio.run(main())


def test_wait_async_can_be_cancelled(controller: crew.Controller, gate: Any) -> None:
    async def main() -> None:
        controller.push(gate.hold)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(controller.wait_async(), 0.02)
        gate.open()
        assert await controller.wait_async() is True

    asyncio.run(main())


def test_async_with_starts_and_terminates_while_the_loop_goes_on(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = make()
    ticked = threading.Event()
    watched = []

    async def tick() -> None:
        while True:
            ticked.set()
            await asyncio.sleep(0.001)

    def watching(call: Callable[[], None]) -> Callable[[], None]:
        def watch() -> None:
            call()
            ticked.clear()
            assert ticked.wait(SECONDS), "the loop stands still"
            watched.append(call)

        return watch

    async def main() -> None:
        monkeypatch.setattr(controller, "start", watching(controller.start))
        monkeypatch.setattr(controller, "terminate", watching(controller.terminate))
        ticking = asyncio.ensure_future(tick())
        async with controller as entered:
            assert entered is controller
            assert is_started(controller)
            assert len(watched) == 1
            assert await controller.push(twice, (1,)) == 2
        assert len(watched) == 2
        assert not is_started(controller)
        ticking.cancel()

    asyncio.run(main())


def test_async_with_terminates_to_the_end_when_it_is_cancelled(make: Make) -> None:
    controller = make()

    async def work() -> None:
        async with controller:
            await asyncio.get_running_loop().create_future()

    async def main() -> None:
        working = asyncio.ensure_future(work())
        await asyncio.sleep(0)
        working.cancel()  # while it starts
        with pytest.raises(asyncio.CancelledError):
            await working
        assert not is_started(controller)
        working = asyncio.ensure_future(work())
        while not is_started(controller):
            await asyncio.sleep(0.001)
        for _ in range(3):
            working.cancel()
            await asyncio.sleep(0.001)
        with pytest.raises(asyncio.CancelledError):
            await working
        assert not is_started(controller)

    asyncio.run(main())


def test_cancelling_who_awaits_a_handle_cancels_the_task(
    controller: crew.Controller, gate: Any
) -> None:
    handle = controller.push(gate.hold)

    async def wait_for_it() -> object:
        return await handle

    async def main() -> None:
        waiting = asyncio.ensure_future(wait_for_it())
        await inside(gate, 1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
    with pytest.raises(CancelledError):
        handle.result(SECONDS)
    assert [record.status for record in controller.results()] == ["cancel"]


def calls_in(function: Callable[[], object]) -> int:
    """How many functions it calls in this thread, itself included."""
    calls = 0

    def note(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return calls


def test_each_of_many_takes_no_more_steps_than_each_of_few(controller: crew.Controller) -> None:
    steps = {}
    for count in (200, 2000):
        handles = controller.walk(twice, {"x": list(range(count))})
        assert len(list(controller.as_completed())) == count

        def stream(tasks: Collection[crew.Task[int]] = handles.values()) -> None:
            assert set(controller.as_completed()) == set(controller.as_completed(tasks))
            assert len(list(controller.results())) == len(tasks)

        steps[count] = calls_in(stream) / count
    assert steps[2000] < 1.5 * steps[200]
