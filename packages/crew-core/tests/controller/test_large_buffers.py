"""Large arrays and their like: the same values as ever, and memory that is used again or freed."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pytest

import crew_core as crew
from crew_core._controller import packing
from crew_core._launcher.processes import has_ended
from crew_core._wire.segments import store
from crew_core._wire.segments.store import FREE

pytestmark = pytest.mark.skipif(
    not os.path.ismount("/dev/shm"), reason="this system has no memory as files"
)

Make = Callable[..., crew.Controller]

SECONDS = 90
LENGTH = 1 << 18  # of float64: 2 MiB


def ramp(start: float = 0.0) -> np.ndarray[Any, Any]:
    return np.arange(start, start + LENGTH)


def same(thing: Any) -> Any:
    return thing


def places() -> set[Path]:
    return set(Path(f"/dev/shm/crew-{os.getuid()}").glob(f"{os.getpid()}-*"))


class Place:
    """The directory of a controller's segments."""

    def __init__(self, controller: crew.Controller) -> None:
        before = places()
        controller.start()
        (self.path,) = places() - before

    def in_use(self) -> list[str]:
        return [path.name for path in self.path.iterdir() if path.name != FREE]

    def wait_until_free(self) -> None:
        """Until nothing is in use: crew's threads may look at what has ended a moment longer."""
        crew.retry(lambda: (gc.collect(), self.in_use() == [])[1], seconds_timeout=SECONDS)

    def aside(self) -> list[int]:
        """The files that are put aside, by their numbers."""
        return sorted(path.stat().st_ino for path in (self.path / FREE).iterdir())


@pytest.fixture
def here(make: Make) -> tuple[crew.Controller, Place]:
    """A controller with one worker, and where its segments are."""
    controller = make(workers=1)
    return controller, Place(controller)


# ── The same values ────────────────────────────────────────────────────────────────────────────


def readonly() -> np.ndarray[Any, Any]:
    array = ramp()
    array.flags.writeable = False
    return array


def returns(thing: Any) -> Callable[[], Any]:
    return lambda: thing


THINGS: dict[str, Callable[[], Any]] = {
    "an array": ramp,
    "of several dimensions": lambda: ramp().reshape(64, -1),
    "in Fortran's order": lambda: np.asfortranarray(ramp().reshape(64, -1)),
    "with steps": lambda: ramp()[::2],
    "that may not be written to": readonly,
    "of records": lambda: np.zeros(LENGTH, dtype=[("a", "f8"), ("b", "i4")]),
    "several, large and small": lambda: {"a": [ramp(), ramp(1.0)], "b": np.arange(3)},
    "the same one twice": lambda: [ramp()] * 2,
    "bytes": lambda: bytes(range(256)) * 8192,
    "a bytearray": lambda: bytearray(range(256)) * 8192,
    "a data frame": lambda: pd.DataFrame({"a": ramp(), "b": ramp(2.0), "c": range(LENGTH)}),
    "a function with an array": lambda: returns(ramp()),
}


def described(thing: Any) -> Any:
    """What is to be equal on both sides."""
    if isinstance(thing, np.ndarray):
        flags = thing.flags
        return thing.dtype, thing.shape, flags.writeable, flags.fnc, thing.tobytes()
    if isinstance(thing, pd.DataFrame):
        return list(thing.dtypes), [described(thing[name].to_numpy()) for name in thing]
    if isinstance(thing, dict):
        return {key: described(value) for key, value in thing.items()}
    if isinstance(thing, list):
        identical = len({id(value) for value in thing})
        return [described(value) for value in thing], identical
    return described(thing()) if callable(thing) else (type(thing), thing)


@pytest.mark.parametrize("name", THINGS)
def test_they_come_and_go_as_they_are(controller: crew.Controller, name: str) -> None:
    thing = THINGS[name]()
    with crew.controller("sequential") as here:
        expected = here.submit(same, thing).result()
    assert described(expected) == described(thing)
    pushed = [
        controller.push(same, (thing,)),
        controller.push("thing", data={"thing": thing}),
        controller.submit(same, thing=thing),
    ]
    for task in pushed:
        assert described(task.result(SECONDS)) == described(thing)


def test_each_task_may_change_what_it_gets(controller: crew.Controller) -> None:
    def double(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        array *= 2
        return array

    array = ramp()
    found = [task.result(SECONDS) for task in [controller.submit(double, array) for _ in range(3)]]
    found[0][:] = 0
    assert np.array_equal(array, ramp())
    assert all(np.array_equal(one, 2 * ramp()) for one in found[1:])


def test_what_one_task_changes_the_next_one_does_not_see(make: Make) -> None:
    controller = make(workers=1)  # so that all have the same memory

    def total(array: np.ndarray[Any, Any], change: int) -> float:
        array[: change or None : 1000] += change  # nothing, one number, or one on each page
        return float(array.sum())

    for number, change in enumerate([0, 0, 1, 0, 1, LENGTH, 0, LENGTH, 0]):
        changed = 0 if not change else change * -(-change // 1000)
        array = np.full(LENGTH, float(number))
        expected = number * LENGTH + changed
        assert controller.submit(total, array, change).result(SECONDS) == expected


def test_what_changes_after_the_push_is_not_sent(controller: crew.Controller) -> None:
    array = ramp()
    task = controller.submit(same, array)
    array[:] = 0
    assert np.array_equal(task.result(SECONDS), ramp())


def test_in_map_and_in_the_record(controller: crew.Controller) -> None:
    table = controller.map(same, {"thing": [ramp(float(i)) for i in range(4)]})
    assert [array[0] for array in table["result"]] == [0.0, 1.0, 2.0, 3.0]


def test_a_warm_up_may_have_them_on_workers_that_come_later_too(make: Make) -> None:
    controller = make(workers=2)
    controller.everywhere("table = array", data={"array": ramp()})
    controller.launch(2)
    for _ in range(4):
        assert controller.push("table[-1]").result(SECONDS) == LENGTH - 1


def test_over_the_network_they_are_in_the_messages(make: Make) -> None:
    before = places()
    controller = make(workers=1, host="127.0.0.1")
    assert np.array_equal(controller.submit(same, ramp()).result(SECONDS), ramp())
    assert places() <= before


# ── Used again, and freed ──────────────────────────────────────────────────────────────────────


def test_what_a_task_was_given_is_used_again_when_it_has_ended(
    here: tuple[crew.Controller, Place],
) -> None:
    controller, place = here
    assert controller.submit(len, ramp()).result(SECONDS) == LENGTH
    first = place.aside()
    assert controller.submit(len, ramp()).result(SECONDS) == LENGTH
    assert (len(first), place.aside(), place.in_use()) == (1, first, [])


def test_a_result_keeps_its_memory_while_anybody_has_a_part_of_it(
    here: tuple[crew.Controller, Place],
) -> None:
    controller, place = here
    part = controller.submit(ramp).result(SECONDS)[10:20]
    gc.collect()
    assert len(place.in_use()) == 1
    for _ in range(3):
        controller.submit(same, ramp(7.0)).result(SECONDS)
    assert list(part) == list(range(10, 20))
    del part
    place.wait_until_free()
    assert place.aside()


def keep(array: np.ndarray[Any, Any]) -> None:
    sys.kept = array  # type: ignore[attr-defined]


def kept_sum() -> float:
    return float(sys.kept.sum())  # type: ignore[attr-defined]


def test_what_a_task_keeps_does_not_change_under_it(here: tuple[crew.Controller, Place]) -> None:
    controller, place = here
    controller.submit(keep, np.ones(LENGTH)).result(SECONDS)
    assert (place.in_use(), place.aside()) == ([], [])  # the worker alone has it
    for _ in range(3):
        controller.submit(same, np.zeros(LENGTH)).result(SECONDS)
    assert controller.submit(kept_sum).result(SECONDS) == LENGTH


def keep_too(array: np.ndarray[Any, Any]) -> int:
    """Keep it; how many files are open here."""
    vars(sys).setdefault("all_kept", []).append(array)
    return len(os.listdir("/dev/fd"))


def test_a_task_process_that_keeps_many_runs_out_of_no_descriptors(
    here: tuple[crew.Controller, Place],
) -> None:
    controller, _ = here
    arrays = [np.full(20_000, float(n)) for n in range(200)]
    counts = controller.map(keep_too, {"array": arrays})["result"]
    assert max(counts) < len(arrays)
    kept = "[array[-1] for array in __import__('sys').all_kept]"
    assert controller.push(kept).result(SECONDS) == [float(n) for n in range(200)]


def leave_child(array: np.ndarray[Any, Any], folder: Path) -> None:
    if os.fork() == 0:
        while not (folder / "go").exists():
            time.sleep(0.01)
        (folder / "part").write_text(str(array.sum()))
        (folder / "part").rename(folder / "sum")
        os._exit(0)


def test_nor_under_a_child_that_it_has_forked(
    here: tuple[crew.Controller, Place], tmp_path: Path
) -> None:
    controller, place = here
    controller.submit(leave_child, np.ones(LENGTH), tmp_path).result(SECONDS)
    assert (place.in_use(), place.aside()) == ([], [])
    for _ in range(3):
        controller.submit(same, np.zeros(LENGTH)).result(SECONDS)
    (tmp_path / "go").touch()
    crew.retry((tmp_path / "sum").exists, seconds_timeout=SECONDS)
    assert (tmp_path / "sum").read_text() == str(float(LENGTH))


def die_at_first(array: np.ndarray[Any, Any], folder: Path, deaths: int) -> float:
    array[0] = -1.0  # the next attempt does not see it
    (folder / os.urandom(4).hex()).touch()
    if len(list(folder.iterdir())) <= deaths:
        os.kill(os.getpid(), signal.SIGKILL)
    return float(array.sum())


def test_the_next_attempt_gets_what_the_first_got(
    here: tuple[crew.Controller, Place], tmp_path: Path
) -> None:
    controller, place = here
    task = controller.submit(die_at_first, np.ones(LENGTH), tmp_path, 2)
    assert task.result(SECONDS) == LENGTH - 2
    assert place.in_use() == []


def test_a_backup_gets_them_too(make: Make, tmp_path: Path) -> None:
    last = make(workers=1)
    first = make(workers=1, crashes_max=1, backup=last)
    place = Place(first)
    task = first.submit(die_at_first, np.ones(LENGTH), tmp_path, 2)
    assert task.result(SECONDS) == LENGTH - 2
    assert task.record is not None
    assert task.record.controller == last.name
    assert place.in_use() == []


def test_memory_of_tasks_that_never_succeed_is_freed(
    here: tuple[crew.Controller, Place], gate: Any
) -> None:
    controller, place = here

    def fail(array: np.ndarray[Any, Any]) -> None:
        raise ValueError(array[0])

    running = controller.submit(gate.hold, ramp())
    gate.wait_for(1)
    waiting = controller.submit(same, ramp())
    assert waiting.cancel()
    assert running.cancel()
    timed = controller.push(time.sleep, (600,), seconds_timeout=0.1)
    failing = controller.submit(fail, ramp())
    for task in (running, waiting, timed, failing):
        crew.retry(task.done, seconds_timeout=SECONDS)
    place.wait_until_free()


def test_a_result_that_nobody_looks_at_is_freed_with_its_task(
    here: tuple[crew.Controller, Place],
) -> None:
    controller, place = here
    task = controller.submit(ramp)
    crew.retry(task.done, seconds_timeout=SECONDS)
    assert len(place.in_use()) == 1
    del task
    place.wait_until_free()


def test_results_can_be_looked_at_after_terminate(
    here: tuple[crew.Controller, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAPPED_MOST", 2)
    controller, place = here
    tasks = [controller.push(ramp, (float(i),)) for i in range(4)]
    assert controller.wait(seconds_timeout=SECONDS)
    seen = tasks[0].result()
    controller.terminate()
    assert not place.path.exists()
    assert seen[0] == 0.0
    assert [task.result()[0] for task in tasks] == [0.0, 1.0, 2.0, 3.0]


def shown_here(place: Place) -> list[str]:
    """What this process maps of it."""
    maps = Path("/proc/self/maps").read_text()
    return [line for line in maps.splitlines() if str(place.path) in line]


def test_after_terminate_only_results_take_memory(here: tuple[crew.Controller, Place]) -> None:
    controller, place = here
    for _ in range(3):
        task = controller.submit(same, ramp())
        task.result(SECONDS)
        assert shown_here(place)
    result = task.result()
    controller.terminate()
    assert len(shown_here(place)) == 1
    assert result[-1] == LENGTH - 1
    del result, task
    gc.collect()
    assert shown_here(place) == []


def test_many_results_can_be_kept(
    here: tuple[crew.Controller, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MAPPED_MOST", 2)
    controller, place = here
    found = [controller.submit(ramp, float(i)).result(SECONDS) for i in range(5)]
    assert [array[-1] - LENGTH for array in found] == [-1.0, 0.0, 1.0, 2.0, 3.0]
    assert len(place.in_use()) == 2


def test_a_forked_child_sees_what_its_parent_saw(here: tuple[crew.Controller, Place]) -> None:
    controller, place = here
    opened = controller.submit(ramp).result(SECONDS)
    task = controller.submit(ramp, 1.0)
    crew.retry(task.done, seconds_timeout=SECONDS)
    go, ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(go, 1)
        os._exit(0 if (opened[0], task.result()[0]) == (0.0, 1.0) else 1)
    del opened, task
    place.wait_until_free()
    assert place.aside() == []  # the child's, for all we know
    controller.submit(same, np.full(LENGTH, 9.0)).result(SECONDS)
    os.write(ready, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.close(go)
    os.close(ready)


def test_a_worker_that_is_killed_leaves_no_memory_behind(
    here: tuple[crew.Controller, Place], gate: Any
) -> None:
    controller, place = here
    supervisor, runner = controller.submit(lambda: (os.getppid(), os.getpid())).result(SECONDS)
    instance = controller.launcher.summary()["instance"].iloc[0]
    (place.path / f"{instance}.1.7.part").write_bytes(b"half of a result")
    process = psutil.Process(runner)
    task = controller.submit(gate.hold, np.ones(LENGTH))
    gate.wait_for(1)
    os.kill(supervisor, signal.SIGKILL)
    crew.retry(lambda: has_ended(process), seconds_interval=0.01)  # it writes nothing any more
    gate.open()
    assert np.array_equal(task.result(SECONDS), np.ones(LENGTH))
    del task
    place.wait_until_free()


# ── Objects that tasks share ───────────────────────────────────────────────────────────────────


def test_an_object_is_in_memory_once_and_freed_with_its_last_reference(make: Make) -> None:
    controller = make(workers=2)
    place = Place(controller)
    reference = controller.put({"a": ramp(), "b": 1})
    assert reference.size > ramp().nbytes
    controller.launch(2)
    for task in [controller.push("t['a'].sum()", data={"t": reference}) for _ in range(8)]:
        assert task.result(SECONDS) == ramp().sum()
    assert len(place.in_use()) == 1
    again = controller.put({"a": ramp(), "b": 1})
    assert len(place.in_use()) == 1
    del reference
    gc.collect()
    assert controller.push("t['a'][5]", data={"t": again}).result(SECONDS) == 5.0
    del again
    place.wait_until_free()


def test_the_next_task_process_finds_it_and_so_does_a_backup(make: Make, tmp_path: Path) -> None:
    last = make(workers=1)
    first = make(workers=1, crashes_max=2, backup=last)
    place = Place(first)
    for deaths, ran in ((1, first), (2, last)):
        folder = tmp_path / str(deaths)
        folder.mkdir()
        ones = np.full(LENGTH, float(deaths))
        task = first.submit(die_at_first, first.put(ones), folder, deaths)
        assert task.result(SECONDS) == deaths * (LENGTH - 1) - 1
        assert task.record is not None
        assert task.record.controller == ran.name
    del task
    place.wait_until_free()


@pytest.mark.parametrize("gigabytes", [1, 1 / 1024], ids=["shared", "in messages"])
def test_objects_that_differ_in_one_number_are_two(make: Make, gigabytes: float) -> None:
    controller = make(workers=1, put_memory_gigabytes=gigabytes)
    references = [controller.put(ramp())]
    for where in (12_345, LENGTH - 1):
        other = ramp()
        other[where] = -1.0
        references += [controller.put(other), controller.put(other.copy())]
    assert [reference._digest for reference in references[1::2]] == [
        reference._digest for reference in references[2::2]
    ]
    assert len({reference._digest for reference in references}) == 3
    values = controller.map("float(array.min())", {"array": references})["result"]
    assert list(values) == [0.0, -1.0, -1.0, -1.0, -1.0]


def test_objects_over_the_limit_are_the_dispatchers(make: Make) -> None:
    controller = make(workers=1, put_memory_gigabytes=3 / 1024)
    place = Place(controller)
    one, two = controller.put(ramp()), controller.put(ramp(1.0))
    assert len(place.in_use()) == 1
    assert controller.push("(one[0], two[0])", data={"one": one, "two": two}).result(SECONDS) == (
        0.0,
        1.0,
    )
    del one
    place.wait_until_free()
    three = controller.put(ramp(2.0))
    assert len(place.in_use()) == 1
    assert controller.push("three[0]", data={"three": three}).result(SECONDS) == 2.0


# ── Data that many tasks share ─────────────────────────────────────────────────────────────────


@pytest.fixture
def mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such data are mapped although they are not very large."""
    monkeypatch.setattr(packing, "_MAPPED_BYTES", 1 << 20)


def change(array: np.ndarray[Any, Any], n: int) -> tuple[float, float, bool]:
    before = float(array.sum())
    array[n] = -1.0
    return before, float(array[n]), array.flags.writeable


@pytest.mark.usefixtures("mapped")
def test_data_of_many_tasks_are_in_memory_once_and_each_may_change_them(
    make: Make, gate: Any
) -> None:
    controller = make(workers=2)
    place = Place(controller)
    handles = controller.walk(change, {"n": range(10)}, data={"array": ramp()})
    results = [handle.result(SECONDS) for handle in handles.values()]
    assert results == [(ramp().sum(), -1.0, True)] * 10
    data = {"gate": gate, "array": ramp()}
    running = controller.walk("gate.hold(array[n])", {"n": range(4)}, data=data)
    gate.wait_for(2)
    # What the others used is freed by a thread, soon.
    crew.retry(lambda: len(place.in_use()) == 1, seconds_interval=0.01, seconds_timeout=30)
    gate.open()
    for handle in running.values():
        handle.result(SECONDS)
    del handles, running, handle
    place.wait_until_free()


@pytest.mark.usefixtures("mapped")
def test_data_of_many_tasks_come_as_they_are(make: Make) -> None:
    controller = make(workers=1)
    array, reference = ramp(), controller.put([1, 2])
    data = {"a": array, "b": array, "c": b"x" * 300_000, "d": reference, "e": {"f": array[:9]}}
    text = "(a is b, described(a) + n, described(e['f']), type(c), len(c), d)"
    found = controller.map(
        text, {"n": [0, 1]}, data=data, globals={"described": lambda a: float(a[-1])}
    )["result"]
    last = LENGTH - 1.0
    assert list(found) == [(True, last + n, 8.0, bytes, 300_000, [1, 2]) for n in (0, 1)]


@pytest.mark.usefixtures("mapped")
def test_an_object_that_is_pickled_like_data_stays_the_one_of_all_tasks(make: Make) -> None:
    controller = make(workers=1)
    reference = controller.put({"array": ramp()})
    for _ in range(2):
        found = controller.map("array[n]", {"n": [1, 2]}, data={"array": ramp()})["result"]
        assert list(found) == [1.0, 2.0]
        found = controller.map("t['array'][n]", {"n": [3]}, data={"t": reference})["result"]
        assert list(found) == [3.0]
    again = controller.put({"array": ramp()})
    assert again._digest == reference._digest


@pytest.mark.usefixtures("mapped")
def test_data_of_many_tasks_are_there_in_the_next_attempt_and_at_a_backup(
    make: Make, tmp_path: Path
) -> None:
    last = make(workers=1)
    first = make(workers=1, crashes_max=2, backup=last)
    for deaths, ran in ((1, first), (2, last)):
        folder = tmp_path / str(deaths)
        folder.mkdir()
        data = {"array": np.ones(LENGTH), "folder": folder}
        table = first.map(die_at_first, {"deaths": [deaths]}, data=data)
        assert list(table["result"]) == [LENGTH - 2.0]
        assert list(table["controller"]) == [ran.name]


def test_data_that_are_not_very_large_are_copied_for_each_task(
    here: tuple[crew.Controller, Place],
) -> None:
    controller, place = here
    handles = controller.walk(change, {"n": [1, 2]}, data={"array": ramp()})
    assert place.in_use() == []
    assert [handle.result(SECONDS)[0] for handle in handles.values()] == [ramp().sum()] * 2


@pytest.mark.usefixtures("mapped")
def test_data_of_many_tasks_go_over_the_network(make: Make) -> None:
    controller = make(workers=1, host="127.0.0.1")
    table = controller.map(change, {"n": [1, 2]}, data={"array": ramp()})
    assert list(table["result"]) == [(ramp().sum(), -1.0, True)] * 2


# ── Without memory ─────────────────────────────────────────────────────────────────────────────


def test_without_room_they_are_in_the_messages(here: tuple[crew.Controller, Place]) -> None:
    controller, place = here
    shutil.rmtree(place.path)
    assert np.array_equal(controller.submit(same, ramp()).result(SECONDS), ramp())


def test_who_removes_the_memory_gets_clear_errors(
    here: tuple[crew.Controller, Place], gate: Any
) -> None:
    controller, place = here
    result = controller.submit(ramp)
    crew.retry(result.done, seconds_timeout=SECONDS)
    blocker = controller.submit(gate.hold)
    gate.wait_for(1)
    waiting = controller.submit(same, ramp())
    for name in place.in_use():
        (place.path / name).unlink()
    gate.open()
    blocker.result(SECONDS)
    assert "removed files of crew's" in str(waiting.exception(SECONDS))
    assert "removed files of crew's" in str(result.exception(SECONDS))
