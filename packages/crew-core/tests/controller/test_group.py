"""Several controllers are used as one."""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
from crew_core._model.names import random_name
from crew_core.plugins import Launcher, LaunchRequest

Make = Callable[..., crew.Controller]

SECONDS = 90


def twice(x: int) -> int:
    return 2 * x


def fail(message: str = "broken") -> None:
    raise ValueError(message)


def crash() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def is_started(thing: crew.Controller | crew.ControllerGroup) -> bool:
    return thing.started  # asked anew each time, which a type checker does not know


class Refusing(Launcher):
    """A platform that starts nobody."""

    def launch(self, request: LaunchRequest) -> list[Any]:
        raise crew.LaunchError("no quota is left")


def two(make: Make, **options: Any) -> tuple[crew.ControllerGroup, str, str]:
    """A group of two controllers, and their names."""
    a, b = (f"{letter}-{random_name()}" for letter in "ab")
    return crew.ControllerGroup(make(name=a, **options), make(name=b, **options)), a, b


@pytest.fixture(scope="module")
def shared(state_home: Path) -> Iterator[crew.ControllerGroup]:
    """A group of two for all tests of the module."""
    names = [f"{letter}-{random_name()}" for letter in "ab"]
    with crew.ControllerGroup(*(crew.controller("local", name=name) for name in names)) as group:
        yield group


@pytest.fixture
def group(shared: crew.ControllerGroup) -> Iterator[crew.ControllerGroup]:
    """The module's group, empty. What a test leaves in it is dropped."""
    yield shared
    shared.cancel(all=True)
    assert shared.wait(seconds_timeout=SECONDS)
    shared.collect()
    for member in shared.values():
        member.pop_backlog()
    shared.error = None


# ── Members ────────────────────────────────────────────────────────────────────────────────────


def test_a_group_is_a_mapping_of_its_controllers_by_name_in_their_order(make: Make) -> None:
    group, a, b = two(make)
    assert list(group) == [a, b]
    turned = crew.ControllerGroup(group[b], group[a])
    assert list(turned.items()) == [(b, group[b]), (a, group[a])]
    assert a in group
    assert "c" not in group
    assert group.get("c") is None
    assert (len(group), repr(group)) == (2, f"<crew group of {a!r}, {b!r}: 0 tasks>")


def test_groups_are_equal_only_to_themselves_and_can_be_keys(make: Make) -> None:
    a = make()
    one, other = crew.ControllerGroup(a), crew.ControllerGroup(a)
    assert one != other
    assert {one: 1, other: 2}[one] == 1


def test_unknown_members_are_refused_by_every_call(make: Make) -> None:
    group, a, _ = two(make)
    refusals: list[Callable[[], object]] = [
        lambda: group["c"],
        lambda: group.only("c"),
        lambda: group.push(twice, (1,), controller="c"),
        lambda: group.walk(twice, {"x": [1]}, controller="c"),
        lambda: group.map(twice, {"x": [1]}, controller="c"),
        lambda: group.executor("c"),
        lambda: group.put(1, controller="c"),
        lambda: group.push_backlog("x", controller="c"),
        lambda: group.start("c"),
        lambda: group.terminate([a, "c"]),
        lambda: group.pop(controllers="c"),
        lambda: group.collect(controllers="c"),
        lambda: group.wait(controllers="c"),
        lambda: group.results(controllers="c"),
        lambda: group.as_completed(controllers="c"),
        lambda: group.cancel(controllers="c"),
        lambda: group.scale(controllers="c"),
        lambda: group.autoscale("c"),
        lambda: group.descale("c"),
        lambda: group.launch(controllers="c"),
        lambda: group.crashes("x", controllers="c"),
        lambda: group.pop_backlog("c"),
        lambda: group.summary("c"),
        lambda: group.logs("x", controllers="c"),
        lambda: group.everywhere("x = 1", controllers="c"),
        lambda: asyncio.run(group.wait_async(controllers="c")),
    ]
    for refusal in refusals:
        with pytest.raises(KeyError, match=rf"no controller 'c' in this group: it has '{a}'"):
            refusal()
    assert not any(member.started for member in group.values())


def test_members_are_meant_by_names(make: Make) -> None:
    group, _, _ = two(make)
    wrong: Any = 1
    with pytest.raises(TypeError, match="1: a controller of a group is meant by its name"):
        group.wait(controllers=[wrong])
    with pytest.raises(TypeError, match="meant by its name"):
        group.push(twice, (1,), controller=group[next(iter(group))])  # type: ignore[call-overload]


def test_what_cannot_be_a_group_is_refused(make: Make) -> None:
    a = make()
    wrong: Any = "local"
    with pytest.raises(crew.ConfigError, match="at least one"):
        crew.ControllerGroup()
    with pytest.raises(crew.ConfigError, match=f"'{a.name}' is given twice"):
        crew.ControllerGroup(a, a)
    with pytest.raises(crew.ConfigError, match=f"two controllers are named '{a.name}'"):
        crew.ControllerGroup(a, make(name=a.name))
    with pytest.raises(TypeError, match="takes controllers, not 'local'"):
        crew.ControllerGroup(wrong)


def test_groups_do_not_nest_but_their_members_can_be_in_several(make: Make) -> None:
    inner = crew.ControllerGroup(make(), make())
    wrong: Any = inner
    with pytest.raises(TypeError, match=r"give its members, \*group.values"):
        crew.ControllerGroup(make(), wrong)
    assert len(crew.ControllerGroup(make(), *inner.values())) == 3


def test_only_is_a_group_of_the_same_controllers(group: crew.ControllerGroup) -> None:
    a, b = group
    some = group.only(b)
    assert list(group.only(b, a)) == [b, a]
    assert some[b] is group[b]
    some.push(twice, (1,))
    assert (some.size, group.size, group[b].size) == (1, 1, 1)
    assert group.only(a).empty
    with pytest.raises(crew.ConfigError, match="at least one"):
        group.only()
    with pytest.raises(crew.ConfigError, match="given twice"):
        group.only(a, a)


def names_of(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


NOT_OF_A_GROUP = {
    "name": "each member has its own, and is called by it",
    "client": "each member has a dispatcher of its own: group['name'].client",
    "backup": "each member may have one of its own: group['name'].backup",
    "launcher": "each member has a launcher of its own: group['name'].launcher",
}
"""What only a controller has, and why."""

SET_FOR_EACH_MEMBER = {"budget_hours"}
OF_ONE_MEMBER = {"push", "walk", "map", "executor", "push_backlog", "put"}
OF_THE_FIRST_MEMBER = {"submit"}  # all its keywords are the function's


def test_a_group_has_every_method_of_a_controller() -> None:
    of_mapping = {"keys", "values", "items", "get"}
    assert names_of(crew.Controller) - names_of(crew.ControllerGroup) == set(NOT_OF_A_GROUP)
    assert names_of(crew.ControllerGroup) - names_of(crew.Controller) == {"only", *of_mapping}
    for special in ("__enter__", "__exit__", "__aenter__", "__aexit__", "__await__", "__aiter__"):
        assert hasattr(crew.ControllerGroup, special)


@pytest.mark.parametrize("name", sorted(names_of(crew.Controller) - set(NOT_OF_A_GROUP)))
def test_a_groups_method_is_called_as_a_controllers(name: str) -> None:
    ours = inspect.getattr_static(crew.ControllerGroup, name)
    theirs = inspect.getattr_static(crew.Controller, name)
    if isinstance(theirs, property):
        assert isinstance(ours, property)
        assert (ours.fset is None) == (theirs.fset is None or name in SET_FOR_EACH_MEMBER)
        return
    ours, theirs = inspect.signature(ours), inspect.signature(theirs)
    more = [*ours.parameters.values()][len(theirs.parameters) :]
    assert [*ours.parameters.values()][: len(theirs.parameters)] == [*theirs.parameters.values()]
    if name != "everywhere":  # a handle of each member's
        assert ours.return_annotation == theirs.return_annotation
    expected = "controller" if name in OF_ONE_MEMBER else "controllers"
    assert [p.name for p in more] == ([] if name in OF_THE_FIRST_MEMBER else [expected])
    assert [p.default for p in more] == ([] if name in OF_THE_FIRST_MEMBER else [None])


# ── Life ───────────────────────────────────────────────────────────────────────────────────────


def test_start_and_terminate_are_for_all_members_or_some(make: Make) -> None:
    group, a, b = two(make)
    group.start(b)
    assert [is_started(group[name]) for name in (a, b)] == [False, True]
    assert not is_started(group)
    client = group[b].client
    with group as entered:
        assert entered is group
        assert is_started(group)
        assert group[b].client is client
        group.terminate([b])
        assert [is_started(group[name]) for name in (a, b)] == [True, False]
    assert not is_started(group[a])
    group.terminate()


def test_when_a_member_cannot_start_those_just_started_are_ended(
    make: Make, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    a, b, c = make(), make(), make(log_directory=str(tmp_path / "file" / "logs"))
    b.start()
    group = crew.ControllerGroup(a, b, c)
    with pytest.raises(crew.CrewError, match="log directory"), group:
        pass
    assert [is_started(member) for member in group.values()] == [False, True, False]


def test_terminate_ends_all_members_even_if_one_raises(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, a, b = two(make)
    third = make()
    group = crew.ControllerGroup(*group.values(), third)
    group.start()

    def refuse() -> None:
        raise crew.CrewError("not today")

    with monkeypatch.context() as patch:
        patch.setattr(group[a], "terminate", refuse)
        with pytest.raises(crew.CrewError, match=r"^not today$"):
            group.terminate()
        assert not is_started(group[b])
        patch.setattr(third, "terminate", refuse)
        with pytest.raises(crew.CrewError, match=rf"2 controllers.*'{a}': not today.*{third.name}"):
            group.terminate()


def test_terminate_drops_tasks_and_the_group_can_be_used_again(make: Make) -> None:
    group, _, b = two(make)
    group.push(twice, (1,), controller=b)
    group.terminate()
    assert group.empty
    group.push(twice, (2,), controller=b)
    assert [record.result for record in group.results()] == [4]


# ── Tasks in ───────────────────────────────────────────────────────────────────────────────────


def test_push_goes_to_the_first_member_or_to_the_named(group: crew.ControllerGroup) -> None:
    a, b = group
    tasks = [group.push(twice, (1,)), group.push("y + 1", data={"y": 1}, controller=b)]
    assert [task.result(SECONDS) for task in tasks] == [2, 2]
    assert [task.record.controller for task in tasks if task.record] == [a, b]


def test_every_option_of_push_reaches_the_member(group: crew.ControllerGroup) -> None:
    _, b = group
    task = group.push(
        "x + y",
        data={"x": 1},
        name="text",
        globals={"y": 2},
        packages=["math"],
        seed=5,
        algorithm="PCG64",
        seconds_timeout=60,
        seconds_queue=60,
        seconds_expected=1,
        priority=3,
        save_command=True,
        scale=True,
        throttle=False,
        controller=b,
    )
    assert task.result(SECONDS) == 3
    record = task.record
    assert record is not None
    assert (record.name, record.command) == ("text", "x + y")
    assert (record.seed, record.algorithm) == (5, "PCG64")


def test_submit_gives_all_its_keywords_to_the_function(group: crew.ControllerGroup) -> None:
    task: crew.Task[Any] = group.submit(dict, controller="mine")
    assert task.result(SECONDS) == {"controller": "mine"}
    assert group.empty


def test_walk_and_map_go_through_one_member(group: crew.ControllerGroup) -> None:
    a, b = group
    tasks = group.walk(twice, {"x": [1, 2]}, names=["one", "two"], controller=b)
    assert [tasks[name].result(SECONDS) for name in ("one", "two")] == [2, 4]
    table = group.map("x + 1", {"x": [1, 2]})  # the first member is empty
    assert list(table.result) == [2, 3]
    assert set(table.controller) == {a}
    with pytest.raises(crew.ConfigError, match="not popped"):
        group.map(twice, {"x": [1]}, controller=b)


def test_map_that_raises_leaves_its_table_in_the_groups_error(group: crew.ControllerGroup) -> None:
    _a, b = group
    with pytest.raises(crew.TaskError, match="broken"):
        group.map(fail, {"message": ["broken", "broken"]}, controller=b)
    assert group.error is not None
    assert len(group.error) == 2
    assert group[b].error is None
    wrong: Any = 1
    with pytest.raises(crew.ConfigError, match="only be set to None"):
        group.error = wrong
    group.error = None
    assert getattr(group, "error") is None  # noqa: B009 - a type checker remembers the line above


def test_warnings_are_given_at_the_users_line(group: crew.ControllerGroup) -> None:
    with pytest.warns(crew.TaskWarning, match="broken") as caught:
        group.map(fail, {"message": ["broken"]}, error="warn")
    assert caught[0].filename == __file__
    group.push(fail)
    group.wait()
    with pytest.warns(crew.TaskWarning, match="broken") as caught:
        group.pop(error="warn")
    assert caught[0].filename == __file__


def test_an_executor_runs_on_one_member(group: crew.ControllerGroup) -> None:
    a, b = group
    with group.executor() as first, group.executor(b) as second:
        ran = [first.submit(os.getenv, "CREW_CONTROLLER").result(SECONDS)]
        ran.append(second.submit(os.getenv, "CREW_CONTROLLER").result(SECONDS))
    assert ran == [a, b]


def test_a_handle_knows_the_type_of_its_value(group: crew.ControllerGroup) -> None:
    # The type checker is the test: it complains of comments that ignore nothing.
    number: crew.Task[int] = group.push(twice, (1,))
    _: crew.Task[str] = group.push(twice, (1,))  # type: ignore[arg-type]
    _ = group.submit(twice, 1)  # type: ignore[arg-type]
    _ = group.push("'text'")
    assert number.result(SECONDS) == 2


# ── Records out ────────────────────────────────────────────────────────────────────────────────


def test_pop_gives_what_ended_first_whichever_member_it_is_of(group: crew.ControllerGroup) -> None:
    a, b = group
    order = [b, a, a, b, a, b, b]
    for i, name in enumerate(order):
        group.push(twice, (i,), controller=name).result(SECONDS)
    popped = [group.pop() for _ in order]
    assert [record.result for record in popped if record] == [2 * i for i in range(len(order))]
    assert [record.controller for record in popped if record] == order
    assert group.pop() is None


def test_pop_of_one_member_sees_no_other(group: crew.ControllerGroup) -> None:
    a, b = group
    group.push(twice, (1,), controller=b).result(SECONDS)
    assert group.pop(controllers=a) is None
    assert group.pop(controllers=[b]) is not None


def test_pop_does_what_it_is_told_about_errors(group: crew.ControllerGroup) -> None:
    _, b = group
    group.push(fail, controller=b).exception(SECONDS)
    with pytest.raises(crew.TaskError, match="broken") as caught:
        group.pop(error="stop")
    assert caught.value.record is not None
    assert caught.value.record.controller == b
    assert group.empty
    wrong: Any = "loud"
    for refused in (group.pop, group.collect, group.results):
        with pytest.raises(crew.ConfigError, match="loud"):
            refused(error=wrong)


def test_collect_is_one_table_in_order_of_completion(
    group: crew.ControllerGroup, gate: Any
) -> None:
    a, b = group
    assert group.collect() is None
    for i, name in enumerate([b, a, b]):
        group.push(twice, (i,), controller=name).result(SECONDS)
    group.push(gate.hold, controller=a)
    table = group.collect()
    assert table is not None
    assert list(table.result) == [0, 2, 4]
    assert list(table.controller) == [b, a, b]
    assert (group.size, group.collect()) == (1, None)
    gate.open()


def test_collect_of_one_member_leaves_the_other(group: crew.ControllerGroup) -> None:
    a, b = group
    for name in group:
        group.push(twice, (1,), controller=name).result(SECONDS)
    table = group.collect(controllers=b)
    assert table is not None
    assert list(table.controller) == [b]
    assert group[a].size == 1


def test_collect_that_raises_leaves_its_table_in_the_groups_error(
    group: crew.ControllerGroup,
) -> None:
    a, b = group
    group.push(fail, controller=b).exception(SECONDS)
    group.push(twice, (1,), controller=a).result(SECONDS)
    with pytest.raises(crew.TaskError, match="broken"):
        group.collect(error="stop")
    assert group.error is not None
    assert list(group.error.status) == ["error", "success"]
    assert group.empty


# ── Waiting ────────────────────────────────────────────────────────────────────────────────────


def test_wait_on_an_empty_group_returns_at_once(group: crew.ControllerGroup, make: Make) -> None:
    assert (group.wait(), group.wait("one")) == (True, False)
    unstarted, a, _ = two(make)
    assert (unstarted.wait(), unstarted.wait("one", controllers=a)) == (True, False)
    assert not any(is_started(member) for member in unstarted.values())


def test_wait_for_one_is_woken_by_whichever_member_ends_first(
    group: crew.ControllerGroup, gate: Any
) -> None:
    a, b = group
    for held, quick in ((a, b), (b, a)):
        group.push(gate.hold, name=f"held at {held}", controller=held)
        group.push(twice, (1,), controller=quick)
        assert group.wait("one", SECONDS)
        record = group.pop()
        assert record is not None
        assert record.controller == quick
        group.cancel(f"held at {held}")
        assert group.wait("all", SECONDS)
        group.collect()


def test_wait_for_all_waits_for_every_member(group: crew.ControllerGroup, gate: Any) -> None:
    a, b = group
    group.push(twice, (1,), controller=a)
    group.push(gate.hold, controller=b)
    assert group.wait(controllers=a)
    assert not group.wait("all", 0)
    assert not group.wait("all", 0.01)
    gate.open()
    assert group.wait("all", SECONDS)
    assert group.unresolved == 0


def test_waiting_needs_no_thread(group: crew.ControllerGroup, gate: Any) -> None:
    for name in group:
        group.push(gate.hold, controller=name)
    gate.wait_for(2)
    before = set(threading.enumerate())
    during: set[threading.Thread] = set()

    def look() -> bool:
        during.update(threading.enumerate())
        gate.open()
        return True

    async def main() -> bool:
        waiting = asyncio.ensure_future(group.wait_async())
        await asyncio.sleep(0)
        look()
        return await waiting

    assert asyncio.run(main())
    assert during <= before


def test_wait_can_show_a_bar_for_all_members_together(
    group: crew.ControllerGroup, gate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Opening(io.StringIO):
        """Lets the tasks end once the bar is there: what ended before is not shown."""

        def write(self, text: str) -> int:
            gate.open()
            return super().write(text)

    for name in group:
        group.push(gate.hold, controller=name)
    shown = Opening()
    monkeypatch.setattr(sys, "stderr", shown)
    assert group.wait("all", SECONDS, progress=True)
    assert "2/2" in shown.getvalue()
    assert "0 queued, 0 running, 0 failed" in shown.getvalue()


def test_wait_runs_no_more_of_a_sequential_members_tasks_than_it_needs(make: Make) -> None:
    member = crew.controller("sequential", name=f"here-{random_name()}")
    with crew.ControllerGroup(member, make()) as group:
        for x in range(3):
            group.push(twice, (x,), controller=member.name, scale=False)
        assert group.wait("one")
        assert (group.resolved, group.unresolved) == (1, 2)
        assert group.wait("all")
        assert [record.result for record in group.results()] == [0, 2, 4]


def test_wait_checks_its_arguments(group: crew.ControllerGroup) -> None:
    wrong: Any = "both"
    with pytest.raises(crew.ConfigError, match="both"):
        group.wait(wrong)
    with pytest.raises(crew.ConfigError, match="seconds_timeout"):
        group.wait("all", -1)


def test_ctrl_c_interrupts_wait_and_leaves_the_group_usable(
    group: crew.ControllerGroup, gate: Any
) -> None:
    for name in group:
        group.push(gate.hold, (7,), controller=name)

    def interrupt() -> None:
        gate.wait_for(2)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - it may come at any point
        thread.start()
        group.wait()
    thread.join(SECONDS)
    gate.open()
    assert [record.result for record in group.results()] == [7, 7]


def test_trouble_of_one_member_is_told_once_nothing_is_left_to_pop(
    make: Make, state_home: Path
) -> None:
    good = make()
    with crew.ControllerGroup(
        good, crew.controller(Refusing(), name=f"bad-{random_name()}")
    ) as group:
        group.push(twice, (1,)).result(SECONDS)
        _, bad = group
        group.push(twice, (2,), controller=bad)
        assert group.wait("one", SECONDS)
        record = group.pop()
        assert record is not None
        assert record.result == 2
        for call in (group.wait, lambda: group.wait("one"), lambda: next(group.results())):
            with pytest.raises(crew.LaunchError, match="no quota is left"):
                call()
        crew.retry(lambda: group[bad].launcher.errors)
        with pytest.raises(crew.LaunchError, match="no quota is left"):
            group.pop()
        assert group.pop(controllers=good.name) is None


def test_a_dead_dispatcher_of_one_member_wakes_who_waits(make: Make, gate: Any) -> None:
    group, _, b = two(make)
    for name in group:
        group.push(gate.hold, controller=name)
    gate.wait_for(2)
    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(group.wait, "one")
        os.kill(group[b].client.pid, signal.SIGKILL)
        assert isinstance(waiting.exception(SECONDS), crew.DispatcherError)


# ── As they finish ─────────────────────────────────────────────────────────────────────────────


def test_results_pops_the_records_of_all_members_and_of_what_is_pushed_meanwhile(
    group: crew.ControllerGroup,
) -> None:
    a, b = group
    group.walk(twice, {"x": [1, 2]}, controller=a)
    group.walk(twice, {"x": [10, 20]}, controller=b)
    seen = []
    for record in group.results():
        seen.append(record.result)
        if record.result == 40:
            group.push(twice, (record.result,), controller=a)
    assert sorted(seen) == [2, 4, 20, 40, 80]
    assert group.empty


def test_threads_may_share_the_records_of_a_group(group: crew.ControllerGroup) -> None:
    for name in group:
        group.walk(twice, {"x": list(range(200))}, controller=name)
    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        shares = [threads.submit(lambda: list(group.results())) for _ in range(3)]
        records = [record for share in shares for record in share.result(SECONDS)]
    assert sorted(record.result for record in records) == sorted([2 * x for x in range(200)] * 2)
    assert group.empty


def test_results_does_not_wait_for_one_member_alone(group: crew.ControllerGroup, gate: Any) -> None:
    a, b = group
    group.push(gate.hold, (0,), controller=a)
    group.push(twice, (1,), controller=b)
    results = group.results()
    assert next(results).controller == b
    gate.open()
    assert [record.controller for record in results] == [a]
    assert list(group.results(controllers=b)) == []


def test_as_completed_takes_handles_of_any_members(group: crew.ControllerGroup, gate: Any) -> None:
    a, b = group
    held = group.push(gate.hold, controller=a)
    quick = group.push(twice, (1,), controller=b)
    for handles in (None, [held, quick]):
        assert next(group.as_completed(handles)) is quick
    assert list(group.as_completed(controllers=b)) == [quick]
    with pytest.raises(crew.ConfigError, match="of another controller"):
        group.as_completed([held], controllers=b)
    completed = group.as_completed()
    gate.open()
    assert list(completed) == [quick, held]
    assert group.size == 2


def test_as_completed_counts_handles_that_end_at_once_in_several_members(
    group: crew.ControllerGroup,
) -> None:
    tasks = [
        task
        for name in group
        for task in group.walk(twice, {"x": list(range(200))}, controller=name).values()
    ]
    assert set(group.as_completed(tasks)) == set(tasks)


def test_a_group_works_in_an_event_loop(make: Make) -> None:
    group, a, b = two(make)

    async def main() -> list[Any]:
        async with group as entered:
            assert entered.started
            tasks = [group.push(twice, (x,), controller=name) for x, name in enumerate((a, b))]
            assert await group.wait_async("one", SECONDS)
            assert await group
            assert {task async for task in group.as_completed(tasks)} == set(tasks)
            return sorted([record.result async for record in group])

    assert asyncio.run(main()) == [0, 2]
    assert not any(is_started(member) for member in group.values())


def test_threads_may_wait_for_tasks_of_several_members_in_any_order(
    group: crew.ControllerGroup, gate: Any
) -> None:
    # concurrent.futures takes the futures' locks by the futures' addresses, in which the members'
    # tasks lie alternately: often a's before b's in one thread, and b's before a's in another.
    group.descale()
    tasks = [group.push(gate.hold, controller=name) for _ in range(20) for name in group]
    ahead, behind = sorted(tasks[::2], key=id), sorted(tasks[1::2], key=id)
    pairs = [[ahead[0], behind[-1]], [ahead[-1], behind[0]]]
    group.autoscale()

    def look(pair: list[crew.Task[Any]]) -> int:
        return sum(len(concurrent.futures.wait(pair, 0).not_done) for _ in range(2000))

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        looks = [threads.submit(look, pair) for pair in pairs]
        assert [found.result(SECONDS) for found in looks] == [4000, 4000]


def test_cancelling_the_entry_of_a_group_leaves_nothing_new_running(make: Make) -> None:
    group, a, b = two(make)
    group.start(b)

    async def main() -> None:
        entering = asyncio.ensure_future(group.__aenter__())
        await asyncio.sleep(0)
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering

    asyncio.run(main())
    assert [is_started(group[name]) for name in (a, b)] == [False, True]


def test_a_forked_child_is_refused_and_ends_nothing(group: crew.ControllerGroup) -> None:
    _, b = group
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            group.terminate()
            group.push(twice, (1,), controller=b)
        except crew.CrewError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as told:
        assert "cannot be used in its forked child" in told.read()
    assert group.push(twice, (1,), controller=b).result(SECONDS) == 2


# ── Orders and questions ───────────────────────────────────────────────────────────────────────


def test_cancel_stops_tasks_in_whichever_member_they_are(
    group: crew.ControllerGroup, gate: Any
) -> None:
    _a, b = group
    for name in group:
        group.push(gate.hold, name=f"at {name}", controller=name)
    gate.wait_for(2)
    group.cancel([f"at {b}", "unknown"])
    assert group.wait("one", SECONDS)
    record = group.pop()
    assert record is not None
    assert (record.name, record.status) == (f"at {b}", "cancel")
    group.cancel(all=True, controllers=b)
    assert not group.wait("one", 0)
    group.cancel(all=True)
    assert [record.status for record in group.results()] == ["cancel"]


def test_orders_reach_every_member_even_if_one_raises(make: Make, gate: Any) -> None:
    group, a, b = two(make)
    for name in group:
        group.push(gate.hold, name=name, controller=name)
    gate.wait_for(2)
    os.kill(group[a].client.pid, signal.SIGKILL)
    with pytest.raises(crew.DispatcherError):
        group.wait(controllers=a)
    with pytest.raises(crew.DispatcherError):
        group.cancel(all=True)
    assert group.wait("all", SECONDS, controllers=b)


def test_scaling_is_for_all_members_or_some(make: Make) -> None:
    group, _a, b = two(make)
    group.descale()
    for name in group:
        group.push(twice, (1,), controller=name)
    assert not group.wait("one", 0.1)
    assert group.scale(controllers=b)
    assert group.wait("one", SECONDS)
    assert group.resolved == 1
    group.autoscale()
    assert group.wait("all", SECONDS)
    assert not group.scale()


def test_launch_is_for_each_member(make: Make) -> None:
    group, a, b = two(make)
    group.launch(2)
    group.launch(controllers=b)
    assert [len(group[name].launcher.summary()) for name in (a, b)] == [2, 3]
    with pytest.raises(crew.CrewError, match="n must be a whole number"):
        group.launch(0)


def test_counters_are_sums(make: Make, gate: Any) -> None:
    group, a, b = two(make)
    assert (group.size, group.empty, group.nonempty, group.unresolved) == (0, True, False, 0)
    group.push(twice, (1,), controller=a).result(SECONDS)
    group.push(twice, (1,), controller=b).result(SECONDS)
    group.push(gate.hold, controller=b)
    group.pop()
    assert (group.size, group.empty, group.nonempty) == (2, False, True)
    assert (group.pushed, group.popped, group.resolved, group.unresolved) == (3, 1, 2, 1)


def test_saturated_is_the_first_members(group: crew.ControllerGroup) -> None:
    _a, b = group
    group.push(twice, (1,), controller=b)
    assert (group.saturated, group[b].saturated, group.only(b).saturated) == (False, True, True)
    group.push(twice, (1,))
    assert group.saturated


def test_each_member_has_a_backlog(group: crew.ControllerGroup) -> None:
    a, b = group
    for name in ("one", "two"):
        group.push_backlog(name)
        group.push_backlog(f"b {name}", controller=b)
    with pytest.raises(crew.ConfigError, match="in the backlog already"):
        group.push_backlog("one")
    assert group.pop_backlog(b) == ["b one"]
    group.push(twice, (1,), controller=b)
    assert group.pop_backlog() == ["one"]  # of the saturated member none
    assert group.pop_backlog([a, b]) == ["two"]


def test_crashes_are_summed(make: Make) -> None:
    group, a, _b = two(make, crashes_max=0)
    for name in group:
        group.push(crash, name="bad", controller=name)
    assert [record.status for record in group.results()] == ["crash", "crash"]
    assert group.crashes("bad") == 2
    assert (group.crashes("bad", controllers=a), group.crashes("good")) == (1, 0)


def test_summary_is_the_members_one_below_the_other(make: Make) -> None:
    group, a, b = two(make)
    empty = group.summary()
    assert len(empty) == 0
    for name in (b, b, a):
        group.push(twice, (1,), controller=name).result(SECONDS)
    table = group.summary()
    assert list(table.columns) == list(empty.columns)
    assert list(zip(table.controller, table.worker, table.tasks, strict=True)) == [
        (a, 1, 1),
        (b, 1, 2),
    ]
    assert list(group.summary(b).controller) == [b]


def test_logs_are_found_in_whichever_member_they_are(make: Make) -> None:
    group, a, b = two(make)
    task = group.push(print, ("hello",), name="greeting", controller=b)
    group.push(print, ("good day",), name="other", controller=a)
    record = next(r for r in list(group.results()) if r.name == "greeting")
    for of in (task, record, "greeting"):
        assert "hello" in group.logs(of)
    assert "good day" in group.logs(1, controllers=a)
    with pytest.raises(crew.ConfigError, match=f"'{a}', '{b}' know such a worker or task"):
        group.logs(1)
    with pytest.raises(crew.ConfigError, match="knows no such worker or finished task"):
        group.logs("nobody")


def test_everywhere_reaches_the_workers_of_every_member_or_some(make: Make) -> None:
    group, a, b = two(make)
    assert set(group.everywhere("x = 2")) == {a, b}
    warm_up = group.everywhere("y = 3", controllers=b)[b]
    assert group.push("x", controller=a).result(SECONDS) == 2
    assert group.push("x + y", controller=b).result(SECONDS) == 5
    assert [record.controller for record in warm_up.results.values()] == [b]
    with pytest.raises(NameError, match="'y'"):
        group.push("y", controller=a).result(SECONDS)


def test_put_is_for_tasks_of_one_member(make: Make) -> None:
    group, _, b = two(make)
    first, second = group.put([1, 2]), group.put([3, 4], controller=b)
    tasks = [group.push(sum, (first,)), group.push(sum, (second,), controller=b)]
    assert [task.result(SECONDS) for task in tasks] == [3, 7]
    with pytest.raises(crew.ConfigError):
        group.push(sum, (first,), controller=b)


# ── Configuration ──────────────────────────────────────────────────────────────────────────────

TWO = '[controllers.cpu]\nlauncher = "local"\nworkers = 7\n[controllers.gpu]\nlauncher = "local"\n'


def test_controllers_is_a_group_of_all_in_a_file(project: Path) -> None:
    file = project / "other.toml"
    file.write_text(TWO)
    group = crew.controllers(file, seconds_idle=5)
    assert list(group) == ["cpu", "gpu"]
    assert not group.started
    assert list(crew.controllers(str(file))) == ["cpu", "gpu"]
    with pytest.raises(crew.ConfigError, match=r"controller 'cpu' of .*other.toml: .*seconds_idel"):
        crew.controllers(file, seconds_idel=5)
    with pytest.raises(crew.ConfigError, match="name of its own"):
        crew.controllers(file, name="x")


def test_controllers_without_a_path_is_what_can_be_found_by_name(project: Path) -> None:
    (project / "crew.toml").write_text(TWO)
    (project.parent / "pyproject.toml").write_text(
        '[tool.crew.controllers.cpu]\nlauncher = "x"\n[tool.crew.controllers.disk]\n'
        'launcher = "local"\n'
    )
    assert list(crew.controllers()) == ["cpu", "gpu", "disk"]
    assert list(crew.controllers(project / "crew.toml")) == ["cpu", "gpu"]


def test_controllers_of_a_pyproject_are_in_its_tool_table(project: Path) -> None:
    file = project / "pyproject.toml"
    file.write_text('[project]\nname = "x"\n[tool.crew.controllers.disk]\nlauncher = "local"\n')
    assert list(crew.controllers(file)) == ["disk"]


def test_no_controllers_is_an_error(project: Path) -> None:
    with pytest.raises(crew.ConfigError, match="no controllers in any configuration file"):
        crew.controllers()
    for name in ("empty.toml", "pyproject.toml"):
        (project / name).write_text("")
        with pytest.raises(crew.ConfigError, match=f"no controllers in .*{name}"):
            crew.controllers(project / name)
    with pytest.raises(crew.ConfigError, match="cannot read"):
        crew.controllers(project / "missing.toml")


def test_two_of_a_file_that_choose_one_name_are_refused(project: Path) -> None:
    (project / "crew.toml").write_text(
        '[controllers.a]\nlauncher = "local"\n[controllers.b]\nlauncher = "local"\nname = "a"\n'
    )
    with pytest.raises(crew.ConfigError, match="two controllers are named 'a'"):
        crew.controllers()
