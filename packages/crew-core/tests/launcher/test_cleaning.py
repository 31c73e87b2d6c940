"""What earlier sessions left is ended and named; what lives is spared."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from crew_core._launcher.cleaning import COLUMNS, clean
from crew_core._launcher.processes import has_ended
from crew_core._model.names import random_name
from crew_core._wire.places import make_controller_directory, object_directory
from crew_core._wire.segments import directory as segments
from crew_core._wire.segments.lock import Hold
from crew_core._wire.segments.store import FREE

Spawn = Callable[..., "subprocess.Popen[bytes]"]

pytestmark = pytest.mark.usefixtures("cleans_up")


def as_dispatcher(directory: object, client: int) -> tuple[str, ...]:
    more = ("--controller", "c1", "--client-pid", str(client))
    return ("-m", "crew_core._dispatcher", "--directory", str(directory), *more)


def as_worker(directory: object, instance: str = "i1") -> tuple[str, ...]:
    more = ("--instance", instance, "--url", f"unix://{directory}/workers.sock")
    return ("-m", "crew_core._worker", "--controller", "c1", *more)


def ended(process: subprocess.Popen[bytes]) -> bool:
    return has_ended(psutil.Process(process.pid))


def actions() -> dict[object, tuple[str, str]]:
    table = clean()
    assert tuple(table.columns) == COLUMNS
    return {row.pid: (str(row.kind), str(row.action)) for row in table.itertuples()}


@pytest.fixture(autouse=True)
def shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where segments are, this test's own."""
    base = tmp_path / "memory"
    monkeypatch.setattr(segments, "_base", lambda: base)
    return base


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for temporary files, this test's own: others' left-overs are not found."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_live_controller_is_spared(runtime: Path, spawn: Spawn) -> None:
    directory = make_controller_directory()
    instance = random_name()
    dispatcher = spawn(*as_dispatcher(directory, os.getpid()))
    worker = spawn(*as_worker(directory, instance))
    task = spawn(env={"CREW_INSTANCE": instance})
    done = actions()
    assert not {dispatcher.pid, worker.pid, task.pid} & set(done)
    assert not any(ended(process) for process in (dispatcher, worker, task))
    assert directory.is_dir()


def test_dispatcher_of_a_dead_client_ends_with_its_workers_and_tasks(
    runtime: Path, spawn: Spawn, dead_pid: int, tmp_path: Path
) -> None:
    instance = random_name()
    dispatcher = spawn(*as_dispatcher(tmp_path, dead_pid))
    worker = spawn(*as_worker(tmp_path, instance))
    task = spawn(env={"CREW_INSTANCE": instance})
    done = actions()
    assert done[dispatcher.pid] == ("dispatcher", "terminated")
    assert done[worker.pid] == ("worker", "terminated")
    assert done[task.pid] == ("task", "terminated")
    assert all(ended(process) for process in (dispatcher, worker, task))


def test_launch_daemon_of_a_dead_client_is_ended_and_another_spared(
    runtime: Path, spawn: Spawn, dead_pid: int
) -> None:
    argv = ("-m", "crew_core._launcher.daemon", "--controller", "c1", "--client-pid")
    left, needed = spawn(*argv, str(dead_pid)), spawn(*argv, str(os.getpid()))
    done = actions()
    assert done[left.pid] == ("daemon", "terminated")
    assert needed.pid not in done
    assert (ended(left), ended(needed)) == (True, False)


def test_dispatcher_whose_clients_id_was_used_again_is_left_over(
    runtime: Path, spawn: Spawn, tmp_path: Path
) -> None:
    import time

    from crew_core._launcher.cleaning import _has_client
    from crew_core._launcher.processes import OurProcess

    later = spawn()
    long_ago = OurProcess(
        kind="dispatcher",
        pid=1,
        started=time.time() - 3600,
        status="running",
        rss=1,
        client_pid=later.pid,
    )
    assert not _has_client(long_ago)


def test_frozen_worker_without_dispatcher_is_ended(
    runtime: Path, spawn: Spawn, tmp_path: Path
) -> None:
    worker = spawn(*as_worker(tmp_path))
    worker.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, worker.pid, os.WSTOPPED)
    assert actions()[worker.pid] == ("worker", "terminated")


def test_worker_that_does_not_listen_is_killed(runtime: Path, spawn: Spawn, tmp_path: Path) -> None:
    worker = spawn(*as_worker(tmp_path), stubborn=True)
    assert actions()[worker.pid] == ("worker", "killed")


def test_worker_of_a_dispatcher_elsewhere_is_spared(runtime: Path, spawn: Spawn) -> None:
    argv = ("-m", "crew_core._worker", "--instance", "i9", "--url", "tls+tcp://10.0.0.1:5000")
    worker = spawn(*argv)
    assert worker.pid not in actions()
    assert worker.poll() is None


def test_task_process_without_worker_is_ended(runtime: Path, spawn: Spawn) -> None:
    stray = spawn(env={"CREW_INSTANCE": random_name()})
    assert actions()[stray.pid] == ("task", "terminated")


def test_task_of_another_packages_worker_is_spared(runtime: Path, spawn: Spawn) -> None:
    instance = random_name()
    worker = spawn("-m", "crew_elsewhere._worker", "--instance", instance)
    task = spawn(env={"CREW_INSTANCE": instance})
    assert not {worker.pid, task.pid} & set(actions())
    assert not ended(task)


def test_directory_of_a_dead_process_is_removed(runtime: Path, dead_pid: int) -> None:
    mine = make_controller_directory()
    stale = mine.parent / f"{dead_pid}-0badcafe"
    stale.mkdir()
    (stale / "workers.sock").write_text("")
    foreign = mine.parent / "notes"
    foreign.mkdir()
    table = clean()
    removed = table[table["kind"] == "directory"]
    assert list(removed["action"]) == [f"removed {stale}"]
    assert not stale.exists()
    assert mine.is_dir()
    assert foreign.is_dir()


def test_directory_that_a_dispatcher_still_uses_is_kept(
    runtime: Path, spawn: Spawn, dead_pid: int
) -> None:
    directory = make_controller_directory().parent / f"{dead_pid}-0badcafe"
    directory.mkdir()
    objects = object_directory(directory)
    objects.mkdir(parents=True)
    spawn(*as_dispatcher(directory, os.getpid()))
    clean()
    assert directory.is_dir()
    assert objects.is_dir()


def test_objects_of_a_dead_process_are_removed(runtime: Path, dead_pid: int) -> None:
    directory = make_controller_directory()
    mine = object_directory(directory)
    stale = mine.parent / f"{dead_pid}-0badcafe"
    for folder in (mine, stale):
        folder.mkdir(parents=True)
        (folder / "object").write_text("big")
    table = clean()
    assert list(table["action"][table["kind"] == "directory"]) == [f"removed {stale}"]
    assert (mine.is_dir(), stale.exists()) == (True, False)


def test_segments_that_nobody_holds_are_removed(runtime: Path, shared_memory: Path) -> None:
    held, left = shared_memory / "1-0badcafe", shared_memory / "2-0badcafe"
    for folder in (held, left):
        (folder / FREE).mkdir(parents=True)
    hold = Hold(held)
    table = clean()
    hold.release()
    assert list(table["action"][table["kind"] == "directory"]) == [f"removed {left}"]
    assert (held.is_dir(), left.exists()) == (True, False)


def test_what_was_cleaned_is_not_found_again(runtime: Path, spawn: Spawn, tmp_path: Path) -> None:
    worker = spawn(*as_worker(tmp_path))
    assert worker.pid in actions()
    assert worker.pid not in actions()


@pytest.mark.parametrize("name", ["x", "12", "-a"])
def test_directories_that_crew_did_not_make_are_kept(runtime: Path, name: str) -> None:
    other = make_controller_directory().parent / name
    other.mkdir()
    clean()
    assert other.is_dir()
