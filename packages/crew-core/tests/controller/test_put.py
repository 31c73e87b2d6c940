"""Objects that tasks share: sent once, seen as themselves, freed when nobody needs them."""

from __future__ import annotations

import copy
import gc
import itertools
import os
import pickle
import signal
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import crew_core as crew
from crew_core._wire import messages

Make = Callable[..., crew.Controller]


class Counted:
    """Notes each time it is loaded, in a file."""

    def __init__(self, folder: Path, value: object) -> None:
        self.folder = folder
        self.value = value

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        (self.folder / f"{os.getpid()}-{os.urandom(4).hex()}").touch()


def value_of(thing: Any) -> Any:
    return thing.value


def loads(folder: Path) -> list[str]:
    """The processes that have loaded it, once for each time."""
    return sorted(path.name.partition("-")[0] for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "loads"
    path.mkdir()
    return path


# ── Where it can be used ───────────────────────────────────────────────────────────────────────


def test_a_task_sees_the_object_wherever_the_reference_is(controller: crew.Controller) -> None:
    reference = controller.put({"a": 1})

    def closure() -> Any:
        return reference

    def default(table: Any = reference) -> Any:
        return table

    pushed = [
        controller.push(dict, (reference,)),
        controller.push("table", data={"table": reference}),
        controller.push("table", globals={"table": reference}),
        controller.push(
            "nested[0]['here'].args[0]", data={"nested": [{"here": Holder(reference)}]}
        ),
        controller.push(closure),
        controller.push(default),
        controller.submit(dict, reference),
    ]
    assert [task.result(30) for task in pushed] == [{"a": 1}] * 7


def test_the_sequential_controller_has_them_too(folder: Path) -> None:
    with crew.controller("sequential") as controller:
        reference = controller.put(Counted(folder, 7))
        tasks = [controller.push(value_of, (reference,)) for _ in range(3)]
        assert [task.result(30) for task in tasks] == [7] * 3
        assert loads(folder) == [str(os.getpid())]


def die_at_first(folder: Path, deaths: int, thing: list[int]) -> int:
    (folder / f"try-{os.urandom(4).hex()}").touch()
    if len(list(folder.iterdir())) <= deaths:
        os.kill(os.getpid(), signal.SIGKILL)
    return sum(thing)


class Holder:
    def __init__(self, *args: object) -> None:
        self.args = args


def test_in_map_as_elements_and_as_common_data(controller: crew.Controller) -> None:
    elements = [controller.put([n]) for n in range(3)]
    common = controller.put({"factor": 10})
    table = controller.map(
        "element[0] * common['factor']", {"element": elements}, data={"common": common}
    )
    assert list(table["result"]) == [0, 10, 20]


def test_a_warm_up_may_use_one(make: Make) -> None:
    controller = make(workers=1)
    controller.everywhere("table = given", data={"given": controller.put([1, 2])})
    gc.collect()
    assert controller.push("table").result(30) == [1, 2]
    controller.push("import os; os._exit(1)", name="dies")
    assert controller.push("table").result(90) == [1, 2]  # after some task processes


def test_an_object_may_mention_others(controller: crew.Controller) -> None:
    inner = controller.put([1, 2, 3])
    outer = controller.put({"first": inner, "again": inner})
    del inner
    gc.collect()
    task = controller.push("o['first'], o['first'] is o['again']", data={"o": outer})
    assert task.result(30) == ([1, 2, 3], True)


# ── Sent once, loaded once ─────────────────────────────────────────────────────────────────────


def test_it_is_loaded_once_in_each_process_however_many_tasks_use_it(
    make: Make, folder: Path
) -> None:
    controller = make(workers=2)
    reference = controller.put(Counted(folder, 7))
    table = controller.map(value_of, {"thing": [reference] * 100})
    assert set(table["result"]) == {7}
    found = loads(folder)
    assert sorted(set(found)) == found
    assert set(found) == {str(pid) for pid in table["pid"]}


def test_objects_that_are_alike_are_one(make: Make, folder: Path) -> None:
    controller = make(workers=1)
    for _ in range(3):
        reference = controller.put(Counted(folder, 7))
        assert controller.push(value_of, (reference,)).result(30) == 7
    first, second = controller.put([1]), controller.put([1])
    assert controller.push("a is b", data={"a": first, "b": second}).result(30) is True


def test_only_workers_that_need_it_have_it(make: Make, folder: Path) -> None:
    controller = make(workers=1)
    reference = controller.put(Counted(folder, 7))
    controller.push("1").result(30)
    assert loads(folder) == []
    assert controller.push(value_of, (reference,)).result(30) == 7


def test_a_new_task_process_and_a_new_worker_get_it_anew(make: Make, folder: Path) -> None:
    controller = make(workers=1)
    reference = controller.put(Counted(folder, 7))

    def pids() -> tuple[int, int]:
        task = controller.push(lambda t: (t.value, os.getpid(), os.getppid()), (reference,))
        value, task_process, supervisor = task.result(30)
        assert value == 7
        return task_process, supervisor

    first = pids()
    os.kill(first[0], signal.SIGKILL)
    second = pids()
    os.kill(second[1], signal.SIGKILL)
    third = pids()
    assert (first[1] == second[1], second[1] == third[1]) == (True, False)
    assert loads(folder) == sorted(str(p) for p in (first[0], second[0], third[0]))


# ── Freed ──────────────────────────────────────────────────────────────────────────────────────


def alive(controller: crew.Controller, kind: str) -> int:
    """How many objects of a class of this file the worker has."""
    look = "import gc; gc.collect(); sum(type(o).__name__ == kind for o in gc.get_objects())"
    count = controller.push(look, data={"kind": kind}).result(30)
    assert isinstance(count, int)
    return count


def test_when_the_last_reference_is_dropped_the_worker_frees_it(make: Make, folder: Path) -> None:
    controller = make(workers=1)
    reference = controller.put(Counted(folder, 7))
    other = controller.put(Counted(folder, 7))
    assert controller.push(value_of, (reference,)).result(30) == 7
    del reference
    gc.collect()
    assert alive(controller, "Counted") == 1
    del other
    gc.collect()
    crew.retry(lambda: alive(controller, "Counted") == 0)
    again = controller.put(Counted(folder, 7))
    assert controller.push(value_of, (again,)).result(30) == 7


def test_a_function_that_was_loaded_with_it_does_not_keep_it(make: Make, folder: Path) -> None:
    controller = make(workers=1)

    def closure_over(thing: Any) -> Callable[[], Any]:
        return lambda: thing.value

    closure = closure_over(controller.put(Counted(folder, 7)))
    assert controller.push(closure).result(30) == 7
    del closure
    gc.collect()
    crew.retry(lambda: alive(controller, "Counted") == 0)


def test_a_task_that_waits_keeps_it(make: Make, gate: Any) -> None:
    controller = make(workers=1)
    first = controller.push(gate.hold)
    gate.wait_for(1)
    second = controller.push(len, (controller.put("four"),))
    third = controller.push("x", data={"x": [controller.put("waits")]})
    gc.collect()
    gate.open()
    assert [task.result(30) for task in (second, third)] == [4, ["waits"]]
    assert first.done()
    assert (second.references, third.references) == ((), ())


# ── Memory and files ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def spilled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[Path]]]:
    """The files of objects; none may be left at the end."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    base = tmp_path / f"crew-{os.getuid()}-objects"
    yield lambda: sorted(path for path in base.rglob("*") if path.is_file())
    assert list(base.glob("*")) == []


def test_over_the_limit_objects_go_to_private_files_that_go_with_them(
    make: Make, spilled: Callable[[], list[Path]]
) -> None:
    controller = make(workers=1, put_memory_gigabytes=0.001)
    references = [controller.put(bytes([n]) * 600_000) for n in range(3)]
    for n, reference in enumerate(references):
        look = controller.push("x[0], len(x)", data={"x": reference})
        assert look.result(30) == (n, 600_000)
    files = spilled()
    assert len(files) == 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(files[0].parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(files[0].parent.parent.stat().st_mode) == 0o700
    # The worker was over its limit too: the first is sent again.
    assert controller.push("x[0]", data={"x": references[0]}).result(30) == 0
    del references, reference, look
    gc.collect()
    controller.collect()
    crew.retry(lambda: not spilled())
    controller.put(b"7" * 2_000_000)
    controller.terminate()
    assert spilled() == []


def test_files_of_a_killed_dispatcher_go_at_terminate(
    make: Make, spilled: Callable[[], list[Path]]
) -> None:
    controller = make(workers=1, put_memory_gigabytes=0)
    reference = controller.put("to a file")
    crew.retry(lambda: len(spilled()) == 1)
    os.kill(controller.client.pid, signal.SIGKILL)
    controller.terminate()
    assert spilled() == []
    assert reference.size > 0


def test_they_follow_a_task_to_backups_and_are_freed_there(
    make: Make, folder: Path, spilled: Callable[[], list[Path]]
) -> None:
    last = make(workers=1, crashes_max=1, put_memory_gigabytes=0)
    middle = make(workers=1, crashes_max=1, put_memory_gigabytes=0, backup=last)
    first = make(workers=1, crashes_max=1, put_memory_gigabytes=0, backup=middle)
    nested = first.put([first.put(5), 6])
    task = first.push(die_at_first, (folder, 2, nested))
    assert task.result(60) == 11
    assert task.record is not None
    assert task.record.controller == last.name
    crew.retry(lambda: len(spilled()) == 2)  # those of the first: the tasks of the others are over
    del nested
    gc.collect()
    crew.retry(lambda: not spilled())
    for controller in (first, middle, last):
        controller.terminate()


def test_without_a_place_for_files_objects_stay_in_memory(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / f"crew-{os.getuid()}-objects").touch()
    controller = make(workers=1, put_memory_gigabytes=0)
    assert controller.push(len, (controller.put("four"),)).result(30) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="sets a limit of another process")
def test_the_first_object_is_kept_when_the_dispatcher_has_no_descriptors_left(make: Make) -> None:
    controller = make(workers=1)
    assert controller.submit(len, "four").result(60) == 4
    dispatcher = psutil.Process(controller.client.pid)
    taken = {int(path.name) for path in Path(f"/proc/{dispatcher.pid}/fd").iterdir()}
    first_free = next(number for number in itertools.count() if number not in taken)
    _, most = dispatcher.rlimit(psutil.RLIMIT_NOFILE)
    dispatcher.rlimit(psutil.RLIMIT_NOFILE, (first_free, most))
    assert controller.submit(len, controller.put("seven77")).result(60) == 7


def test_what_is_put_again_right_after_it_was_dropped_is_there(make: Make) -> None:
    controller = make(workers=1)
    reference = controller.put("four")
    assert controller.push(len, (reference,)).result(30) == 4
    session = controller._session
    assert session is not None
    os.kill(controller.client.pid, signal.SIGSTOP)  # it is to hear of both at once
    try:
        del reference
        gc.collect()
        crew.retry(lambda: not session.objects._counts)
        task = controller.push(len, (controller.put("four"),))
    finally:
        os.kill(controller.client.pid, signal.SIGCONT)
    assert task.result(30) == 4


# ── Mistakes ───────────────────────────────────────────────────────────────────────────────────


def test_what_cannot_be_pickled_is_named(controller: crew.Controller) -> None:
    with pytest.raises(crew.SerializationError, match=r"the object, \['lock'\]: a _thread.lock"):
        controller.put({"lock": threading.Lock()})


def test_what_is_too_large_to_be_sent_is_refused(
    controller: crew.Controller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "PAYLOAD_MAX", 1000)
    with pytest.raises(crew.SerializationError, match="the object came to 10"):
        controller.put(bytes(1000))
    with pytest.raises(crew.SerializationError, match="args and data came to"):
        controller.push(len, (bytes(1000),))
    with pytest.raises(crew.SerializationError, match="the command with its data and globals"):
        controller.push("x", globals={"x": bytes(1000)})


def test_another_controller_refuses_it(make: Make) -> None:
    first, second = make(), make()
    reference = first.put([1])
    second.start()
    mistakes: list[Callable[[], object]] = [
        lambda: second.push(len, (reference,)),
        lambda: second.submit(len, reference),
        lambda: second.push("x", globals={"x": [reference]}),
        lambda: second.walk(len, {"x": [[], reference]}),
        lambda: second.everywhere("x", data={"x": reference}),
        lambda: second.put([reference]),
    ]
    for mistake in mistakes:
        with pytest.raises(crew.ConfigError, match=f"another controller than '{second.name}'"):
            mistake()
    assert second.size == 0


def test_after_terminate_it_is_refused_before_anything_starts(make: Make) -> None:
    controller = make()
    reference = controller.put([1])
    controller.terminate()
    with pytest.raises(crew.ConfigError, match="terminated since"):
        controller.push(len, (reference,))
    assert not controller.started
    controller.start()
    with pytest.raises(crew.ConfigError, match="Put it again"):
        controller.push(len, (reference,))


def test_it_cannot_be_pickled_for_anything_but_a_task(controller: crew.Controller) -> None:
    reference = controller.put([1])
    with pytest.raises(TypeError, match="only in tasks"):
        pickle.dumps(reference)
    assert copy.copy(reference) is copy.deepcopy(reference) is reference
    assert controller.name in repr(reference)


def test_an_object_that_cannot_be_loaded_there_makes_the_task_an_error(
    controller: crew.Controller,
) -> None:
    task = controller.push(len, (controller.put(Unloadable()),))
    error = task.exception(30)
    assert isinstance(error, crew.SerializationError)
    assert "an object of put() could not be loaded here" in str(error)


class Unloadable:
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return open, ("/nowhere/at/all",)
