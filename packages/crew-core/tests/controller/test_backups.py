"""A task whose crashes are used up goes to the backup controller, and comes back from there."""

from __future__ import annotations

import asyncio
import os
import signal
import tracemalloc
from collections.abc import Callable
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crew_core as crew
from crew_core._controller.session import Session
from crew_core.testing import FakeLauncher

Make = Callable[..., crew.Controller]

SECONDS = 90


def crash_at_first(folder: Path, times: int, then: Callable[[], Any] | None = None) -> Any:
    """Crashes so many times, and then returns."""
    attempt = len(list(folder.glob("attempt-*")))
    (folder / f"attempt-{attempt}").touch()
    if attempt < times:
        os._exit(3)
    return "survived" if then is None else then()


def crash_at_first_and_draw(folder: Path, times: int) -> tuple[float, float, float]:
    """Draws from all three sources in each attempt, also in those that crash."""
    import random

    numbers = random.random(), float(np.random.random()), float(crew.rng().random())
    crash_at_first(folder, times)
    return numbers


def leave() -> None:
    os._exit(3)


@pytest.fixture
def fresh(tmp_path: Path) -> Callable[[], Path]:
    """Makes empty folders."""
    made: list[Path] = []

    def fresh() -> Path:
        folder = tmp_path / f"folder-{len(made)}"
        folder.mkdir()
        made.append(folder)
        return folder

    return fresh


Fresh = Callable[[], Path]


def popped(controller: crew.Controller) -> crew.Record:
    assert controller.wait("one", seconds_timeout=SECONDS)
    record = controller.pop()
    assert record is not None
    return record


def started(*controllers: crew.Controller) -> list[bool]:
    return [controller.started for controller in controllers]


# ── The way there and back ─────────────────────────────────────────────────────────────────────


def test_a_record_comes_back_where_it_was_pushed_and_says_where_it_ran(
    make: Make, fresh: Fresh
) -> None:
    big = make(workers=1)
    small = make(workers=1, crashes_max=2, backup=big)
    handle = small.push(crash_at_first, (fresh(), 3), name="heavy", save_command=True)
    assert handle.result(SECONDS) == "survived"
    record = popped(small)
    assert record is handle.record
    assert (record.name, record.status, record.controller) == ("heavy", "success", big.name)
    assert (record.attempts, record.worker, record.launcher) == (4, 1, "local")
    assert record.command == f"{__name__}.crash_at_first"
    assert record.pushed_at is not None
    assert record.started_at is not None
    assert record.pushed_at < record.started_at
    assert record.instance in set(big.launcher.summary()["instance"])
    assert small.logs(record) == big.logs(record)
    assert (small.size, small.pushed, small.popped, small.resolved) == (0, 1, 1, 1)
    assert (big.size, big.pushed, big.popped, big.resolved) == (0, 0, 0, 0)
    assert big.pop() is None


def test_a_backup_has_a_backup_and_after_a_success_the_name_starts_at_the_first_again(
    make: Make, fresh: Fresh
) -> None:
    c = make(workers=1, crashes_max=2)
    b = make(workers=1, crashes_max=2, backup=c)
    a = make(workers=1, crashes_max=2, backup=b)
    names = {a.name: "a", b.name: "b", c.name: "c"}
    for crashes, ran in [(4, "c"), (2, "b"), (1, "a"), (5, "c"), (3, "b"), (0, "a")]:
        a.push(crash_at_first, (fresh(), crashes), name="x")
        record = popped(a)
        assert (record.status, names[str(record.controller)]) == ("success", ran)
        assert record.attempts == crashes + 1
        assert [controller.crashes("x") for controller in (a, b, c)] == [0, 0, 0]


def test_when_all_have_failed_it_is_a_crash_and_counting_goes_on(make: Make, fresh: Fresh) -> None:
    c = make(workers=1, crashes_max=2)
    b = make(workers=1, crashes_max=2, backup=c)
    a = make(workers=1, crashes_max=2, backup=b)
    a.push(leave, name="x")
    record = popped(a)
    assert (record.status, record.code, record.cause) == ("crash", 19, "exit 3")
    assert (record.attempts, record.controller) == (6, c.name)
    assert [controller.crashes("x") for controller in (a, b, c)] == [2, 2, 2]
    counts = [controller.summary()[["tasks", "crash"]].sum().tolist() for controller in (a, b, c)]
    assert counts == [[1, 1], [1, 1], [1, 1]]  # each on its own workers

    a.push(leave, name="x")  # what it may crash here and at b is used up already
    record = popped(a)
    assert (record.status, record.attempts, record.controller) == ("crash", 1, c.name)
    assert [controller.crashes("x") for controller in (a, b, c)] == [2, 2, 3]

    a.push("1", name="x")
    assert popped(a).controller == c.name
    assert [controller.crashes("x") for controller in (a, b, c)] == [0, 0, 0]
    a.push("1", name="x")
    assert popped(a).controller == a.name


def test_with_no_retries_each_push_crashes_once_and_the_next_goes_where_crashes_are_left(
    make: Make,
) -> None:
    c = make(workers=1, crashes_max=2, retry_tasks=False)
    b = make(workers=1, crashes_max=2, retry_tasks=False, backup=c)
    a = make(workers=1, crashes_max=2, retry_tasks=False, backup=b)
    names = {a.name: "a", b.name: "b", c.name: "c"}
    ran = []
    for _ in range(7):
        a.push(leave, name="x")
        record = popped(a)
        assert (record.status, record.attempts) == ("crash", 1)
        ran.append(names[str(record.controller)])
    assert ran == ["a", "a", "b", "b", "c", "c", "c"]


def test_with_crashes_max_zero_the_first_crash_is_final(make: Make) -> None:
    big = make(workers=1)
    small = make(workers=1, crashes_max=0, backup=big)
    for _ in range(2):
        small.push(leave, name="x")
        record = popped(small)
        assert (record.status, record.attempts, record.controller) == ("crash", 1, small.name)
    assert not big.started


def test_other_tasks_go_on_meanwhile_and_come_back_in_order_of_completion(
    make: Make, fresh: Fresh, gate: Any
) -> None:
    big = make(workers=1)
    small = make(workers=1, crashes_max=1, backup=big)
    small.push(crash_at_first, (fresh(), 1, gate.hold), name="heavy")
    gate.wait_for(1)
    assert [small.push("x", data={"x": x}).result(SECONDS) for x in range(5)] == list(range(5))
    assert (small.size, small.unresolved, small.resolved) == (6, 1, 5)
    gate.open()
    assert small.wait(seconds_timeout=SECONDS)
    table = small.collect()
    assert table is not None
    assert list(table["name"])[-1] == "heavy"
    assert list(table["controller"]) == [small.name] * 5 + [big.name]


def test_map_walk_submit_and_await_come_through_a_backup(make: Make, tmp_path: Path) -> None:
    big = make(workers=2)
    small = make(workers=2, crashes_max=1, backup=big)
    text = (
        "import os\n"
        "mark = f'{base}/{kind}-{x}'\n"
        "first = not os.path.exists(mark)\n"
        "open(mark, 'w').close()\n"
        "os._exit(1) if first and x % 2 else None\n"
        "x + offset"
    )
    shared = {"base": str(tmp_path), "kind": "map"}
    table = small.map(text, {"x": [1, 2, 3, 4]}, data=shared, globals={"offset": 10})
    assert list(table["result"]) == [11, 12, 13, 14]
    assert list(table["controller"]) == [big.name, small.name] * 2
    assert list(table["attempts"]) == [2, 1, 2, 1]

    walked = small.walk(text, {"x": [5, 6]}, data={**shared, "kind": "walk"}, globals={"offset": 0})
    assert sorted(record.result for record in small.results()) == [5, 6]
    assert all(handle.done() for handle in walked.values())

    for_submit, for_await = tmp_path / "for-submit", tmp_path / "for-await"
    for_submit.mkdir()
    for_await.mkdir()
    assert small.submit(crash_at_first, for_submit, 1).result(SECONDS) == "survived"
    called: list[object] = []

    async def wait_for_it() -> object:
        handle = small.push(crash_at_first, (for_await, 1))
        handle.add_done_callback(called.append)
        return await handle

    assert asyncio.run(wait_for_it()) == "survived"
    crew.retry(lambda: called, seconds_interval=0.01)  # a moment after it is finished
    assert len(called) == 1
    assert small.size == 1


def test_a_name_is_free_to_be_used_at_the_backup_too(make: Make, fresh: Fresh, gate: Any) -> None:
    big = make(workers=2)
    small = make(workers=1, crashes_max=1, backup=big)
    small.push(crash_at_first, (fresh(), 1, gate.hold), name="x")
    gate.wait_for(1)
    assert (big.size, big.saturated, big.empty) == (0, False, True)
    big.push("'of big'", name="x")
    assert popped(big).result == "of big"
    big.cancel("x")  # which means its own
    gate.open()
    assert popped(small).status == "success"


def test_no_workers_are_launched_here_for_tasks_that_are_there(
    make: Make, fresh: Fresh, gate: Any
) -> None:
    big = make(workers=1)
    small = make(workers=1, crashes_max=1, tasks_max=1, backup=big)
    small.push(crash_at_first, (fresh(), 1, gate.hold))
    gate.wait_for(1)
    crew.retry(lambda: not small.launcher.summary()["online"].any(), seconds_interval=0.01)
    assert not small.scale()
    gate.open()
    assert popped(small).controller == big.name
    assert list(small.launcher.summary()["launches"]) == [1]


# ── What a task was pushed with ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("options", [{}, {"seed": 42}, {"algorithm": "Philox"}])
def test_random_numbers_are_those_of_the_first_attempt(
    make: Make, fresh: Fresh, options: dict[str, Any]
) -> None:
    def numbers(crashes: int) -> tuple[float, float, float]:
        c = make(workers=1)
        b = make(workers=1, crashes_max=1, backup=c)
        a = make(workers=1, crashes_max=1, backup=b, seed=7)
        handle = a.push(crash_at_first_and_draw, (fresh(), crashes), **options)
        drawn = handle.result(SECONDS)
        assert handle.record is not None
        assert handle.record.attempts == crashes + 1
        assert handle.record.seed == options.get("seed")
        assert crew.rng(handle.record).random() == drawn[2]
        return drawn

    assert numbers(0) == numbers(1) == numbers(2)


def test_what_was_put_is_there_too(make: Make, fresh: Fresh) -> None:
    c = make(workers=1)
    b = make(workers=1, crashes_max=1, backup=c)
    a = make(workers=1, crashes_max=1, backup=b)
    shared = a.put(list(range(1000)))
    outer = a.put({"inner": shared})

    def total(folder: Path, found: dict[str, list[int]], direct: list[int]) -> tuple[int, int]:
        return crash_at_first(folder, 2, lambda: (sum(found["inner"]), sum(direct)))  # type: ignore[no-any-return]  # what the lambda returns

    handle = a.push(total, (fresh(), outer, shared))
    assert handle.result(SECONDS) == (499500, 499500)
    assert popped(a).controller == c.name
    for controller in (b, c):  # freed there with the end of the task
        book = controller._running().objects
        crew.retry(lambda book=book: not book._counts, seconds_interval=0.01)  # type: ignore[misc]  # a default binds it


def test_a_time_limit_holds_there_too(make: Make, fresh: Fresh, gate: Any) -> None:
    big = make(workers=1)
    small = make(workers=1, crashes_max=1, backup=big)
    # Long enough for the first attempt to crash in time, however slow the computer is.
    small.push(crash_at_first, (fresh(), 1, gate.hold), seconds_timeout=5.0)
    record = popped(small)
    assert (record.status, record.controller, record.attempts) == ("timeout", big.name, 2)


def test_the_wait_for_a_worker_is_limited_there_anew(make: Make, fresh: Fresh, gate: Any) -> None:
    big = make(workers=1)
    small = make(workers=1, crashes_max=1, backup=big)
    big.push(gate.hold)
    gate.wait_for(1)
    assert small.push("1", name="first").result(SECONDS) == 1  # its worker is there, and idle
    assert popped(small).name == "first"
    small.push(crash_at_first, (fresh(), 1), seconds_queue=5.0)
    record = popped(small)
    assert (record.status, record.controller) == ("timeout", big.name)
    gate.open()


def test_larger_priority_goes_first_there_too(make: Make, fresh: Fresh, gate: Any) -> None:
    big = make(workers=1)
    small = make(workers=1, crashes_max=1, backup=big)
    big.push(gate.hold)
    gate.wait_for(1)
    for i, priority in enumerate([0, 5, 1]):
        small.push(crash_at_first, (fresh(), 1), name=f"{i}", priority=priority)
        # At big, behind the others: one after the other, so that only priority can change this.
        crew.retry(lambda n=i: big.client.inspect().queued == n + 1, seconds_interval=0.01)  # type: ignore[misc]  # a default binds it
    gate.open()
    assert small.wait(seconds_timeout=SECONDS)
    table = small.collect()
    assert table is not None
    assert list(table["name"]) == ["1", "2", "0"]


def test_a_task_too_long_for_the_backups_workers_is_a_crash(make: Make) -> None:
    big = make(workers=1, seconds_wall=10.0)
    small = make(workers=1, crashes_max=1, backup=big)
    small.push(leave, seconds_expected=20.0)
    record = popped(small)
    assert (record.status, record.cause, record.attempts) == ("crash", "exit 3", 1)
    assert record.error is not None
    assert "seconds_wall=10" in record.error


def test_nothing_is_kept_here_for_the_backup_while_tasks_wait(make: Make) -> None:
    controller = make(workers=1, backup=make())
    controller.descale()
    tracemalloc.start()
    try:
        for i in range(300):
            controller.push(len, (os.urandom(100_000),), name=f"{i}", scale=False)
        crew.retry(lambda: controller.client.inspect().queued == 300, seconds_interval=0.05)
        # Of the 30,000,000 that are with the dispatcher; who has sent them lets go of the last ones
        # a moment later.
        crew.retry(lambda: tracemalloc.get_traced_memory()[0] < 5_000_000, seconds_interval=0.05)
    finally:
        tracemalloc.stop()


# ── Cancelling ─────────────────────────────────────────────────────────────────────────────────


def test_what_runs_there_is_cancelled_from_here(make: Make, fresh: Fresh, gate: Any) -> None:
    c = make(workers=2)
    b = make(workers=2, crashes_max=1, backup=c)
    a = make(workers=2, crashes_max=1, backup=b)
    by_name = a.push(crash_at_first, (fresh(), 2, gate.hold), name="by name")
    by_handle = a.push(crash_at_first, (fresh(), 1, gate.hold))
    gate.wait_for(2)
    a.cancel("by name")
    assert by_handle.cancel()
    for handle in (by_name, by_handle):
        with pytest.raises(CancelledError):
            handle.result(SECONDS)
        assert handle.cancelled()
    assert a.wait(seconds_timeout=SECONDS)
    table = a.collect()
    assert table is not None
    assert sorted(zip(table["status"], table["controller"], strict=True)) == sorted(
        [("cancel", c.name), ("cancel", b.name)]
    )


def test_what_waits_there_is_cancelled_from_here(make: Make, fresh: Fresh, gate: Any) -> None:
    big = make(workers=1)
    small = make(workers=1, crashes_max=1, backup=big)
    big.push(gate.hold, name="of big")
    gate.wait_for(1)
    small.push(crash_at_first, (fresh(), 1))
    crew.retry(lambda: big.client.inspect().queued == 1, seconds_interval=0.01)
    small.cancel(all=True)
    record = popped(small)
    assert (record.status, record.attempts) == ("cancel", 1)
    assert big.size == 1
    gate.open()
    assert popped(big).status == "success"


def test_cancelled_at_any_moment_it_ends_once(make: Make, fresh: Fresh) -> None:
    big = make(workers=1)
    small = make(workers=1, crashes_max=2, backup=big)
    assert small.push("1").result(SECONDS) == 1
    for _ in range(10):
        handle = small.push(leave)
        crew.retry(lambda h=handle: small.crashes(h.name) > 0, seconds_interval=0.001)  # type: ignore[misc]  # a default binds it
        handle.cancel()
    assert small.wait(seconds_timeout=SECONDS)
    assert small.resolved == 11
    assert len(list(small.results())) == 11


# ── Starting and ending ────────────────────────────────────────────────────────────────────────


def test_a_backup_is_started_when_first_needed_and_ended_by_whoever_started_it(
    make: Make, fresh: Fresh
) -> None:
    c = make(workers=1)
    b = make(workers=1, crashes_max=1, backup=c)
    a = make(workers=1, crashes_max=1, backup=b)
    assert a.push("1").result(SECONDS) == 1
    assert started(a, b, c) == [True, False, False]
    assert a.push(crash_at_first, (fresh(), 2)).result(SECONDS) == "survived"
    assert started(a, b, c) == [True, True, True]
    a.terminate()
    assert started(a, b, c) == [False, False, False]

    b.start()
    assert a.push(crash_at_first, (fresh(), 2)).result(SECONDS) == "survived"
    a.terminate()
    assert started(a, b, c) == [False, True, True]  # by somebody else, and by b
    b.terminate()
    assert started(a, b, c) == [False, False, False]


def test_terminate_here_stops_what_runs_there(make: Make, fresh: Fresh, gate: Any) -> None:
    big = make(workers=1)
    small = make(workers=1, crashes_max=1, backup=big)
    big.start()
    handle = small.push(crash_at_first, (fresh(), 1, gate.hold))
    gate.wait_for(1)
    small.terminate()
    with pytest.raises(crew.CrewError, match="terminated"):
        handle.result(SECONDS)
    assert big.push("1").result(SECONDS) == 1  # on its only worker
    assert big.summary()["cancel"].sum() == 1


def test_a_backup_that_is_terminated_gives_the_crash_back(
    make: Make, fresh: Fresh, gate: Any
) -> None:
    big = make(workers=1)
    small = make(workers=1, crashes_max=1, backup=big)
    handle = small.push(crash_at_first, (fresh(), 1, gate.hold))
    gate.wait_for(1)
    big.terminate()
    with pytest.raises(crew.WorkerCrashError, match="terminated"):
        handle.result(SECONDS)
    record = popped(small)
    assert (record.status, record.attempts, record.controller) == ("crash", 1, small.name)
    assert record.cause == "exit 3"
    assert small.crashes(record.name) == 1
    assert small.summary()["crash"].sum() == 1
    assert small.push(crash_at_first, (fresh(), 1)).result(SECONDS) == "survived"
    assert big.started  # again
    small.terminate()
    assert not big.started


def test_the_death_of_the_backups_dispatcher_gives_the_crash_back(
    make: Make, fresh: Fresh, gate: Any
) -> None:
    big = make(workers=1)
    small = make(workers=1, crashes_max=1, backup=big)
    handle = small.push(crash_at_first, (fresh(), 1, gate.hold))
    gate.wait_for(1)
    os.kill(big.client.pid, signal.SIGKILL)
    with pytest.raises(crew.WorkerCrashError, match="dispatcher"):
        handle.result(SECONDS)
    assert small.push("1").result(SECONDS) == 1


def test_the_backups_launch_error_is_told_to_who_waits_here(make: Make) -> None:
    refusing = FakeLauncher(FakeLauncher.Options(failures=99, transient=False))
    big = crew.controller(refusing)
    small = make(workers=1, crashes_max=1, backup=big)
    handle = small.push(leave)
    with pytest.raises(crew.LaunchError, match="refuses"):
        small.wait(seconds_timeout=SECONDS)
    with pytest.raises(crew.LaunchError, match="refuses"):
        handle.result(SECONDS)
    with pytest.raises(crew.LaunchError, match="refuses"):
        small.pop()
    assert small.push("1").result(SECONDS) == 1  # small itself can work
    assert popped(small).result == 1
    handle.cancel()
    crew.retry(handle.done, seconds_interval=0.01)
    assert popped(small).status == "cancel"
    small.terminate()
    assert not big.started


def test_it_is_told_also_when_the_backup_was_quicker_to_fail_than_we_to_note_what_it_has(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    borrow = Session.borrow

    def borrow_slowly(session: Session, *arguments: Any) -> Any:
        lent = borrow(session, *arguments)
        crew.retry(lambda: session.failures.error is not None, seconds_interval=0.01)
        return lent

    monkeypatch.setattr(Session, "borrow", borrow_slowly)
    big = crew.controller(FakeLauncher(FakeLauncher.Options(failures=99, transient=False)))
    small = make(workers=1, crashes_max=1, backup=big)
    handle = small.push(leave)
    with pytest.raises(crew.LaunchError, match="refuses"):
        small.wait(seconds_timeout=SECONDS)
    handle.cancel()


# ── Naming a backup ────────────────────────────────────────────────────────────────────────────

CONFIGURED = """
[controllers.small]
launcher = "local"
backup = "big"
crashes_max = 2

[controllers.big]
launcher = "local"
workers = 3
backup = "huge"

[controllers.huge]
launcher = "local"
"""


def test_a_configuration_names_backups(project: Path) -> None:
    (project / "crew.toml").write_text(CONFIGURED)
    small = crew.controller("small")
    assert small.backup is not None
    assert small.backup.name == "big"
    assert small.backup.backup is not None
    assert small.backup.backup.name == "huge"
    assert small.backup.backup.backup is None
    assert not small.backup.started

    other = crew.controller("local", backup="huge")
    assert other.backup is not None
    assert other.backup.name == "huge"
    none = crew.controller("small", backup=None)
    assert none.backup is None
    given = crew.controller("small", backup=other)
    assert given.backup is other


def test_a_backup_may_be_given_as_an_option_of_the_parts(make: Make) -> None:
    big = make()
    retry = crew.RetryOptions(backup=big)
    small = crew.Controller(FakeLauncher(), retry=retry)
    assert small.backup is big


def test_backups_in_a_circle_are_refused(project: Path) -> None:
    (project / "crew.toml").write_text(CONFIGURED + 'backup = "small"\n')
    with pytest.raises(crew.ConfigError, match="small -> big -> huge -> small"):
        crew.controller("small")
    with pytest.raises(crew.ConfigError, match="huge -> huge"):
        crew.controller("huge", backup="huge")


def test_an_unknown_backup_is_refused(project: Path) -> None:
    (project / "crew.toml").write_text(CONFIGURED)
    with pytest.raises(crew.ConfigError, match=r"backup='bigg'.*Did you mean 'big'"):
        crew.controller("local", backup="bigg")
    (project / "crew.toml").write_text(CONFIGURED.replace('"huge"', '"hugh"'))
    with pytest.raises(crew.ConfigError, match=r"backup='hugh'.*crew.toml"):
        crew.controller("small")


@pytest.mark.parametrize("backup", [3, True, ["a"], FakeLauncher()])
def test_what_is_no_controller_is_refused(backup: object) -> None:
    with pytest.raises(TypeError, match="backup"):
        crew.controller("local", backup=backup)


def test_a_group_is_no_backup_and_its_members_may_be_each_others(project: Path) -> None:
    (project / "crew.toml").write_text(CONFIGURED)
    group = crew.controllers(project / "crew.toml")
    assert group["small"].backup is group["big"]
    assert group["big"].backup is group["huge"]
    with pytest.raises(TypeError, match="of a group, name one member"):
        crew.controller("local", backup=group)


def test_a_sequential_controller_is_no_backup() -> None:
    with pytest.raises(crew.ConfigError, match="sequential"):
        crew.controller("local", backup=crew.controller("sequential"))
