"""The local launcher starts real processes, sees how they end, and leaves none behind."""

from __future__ import annotations

import os
import pickle
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from crew_core._controller.helpers import retry
from crew_core._launcher.local import LocalHandle, LocalLauncher, started_at
from crew_core._launcher.processes import find_tasks
from crew_core._launcher.request import LaunchRequest, WorkerLaunch
from crew_core._model.errors import LaunchError
from crew_core._model.names import random_name
from crew_core._model.states import JobState

SLEEP = "import time; time.sleep(600)"

# A worker and a descendant that left its session, as a task may make one.
WITH_DESCENDANT = """
import os, subprocess, sys, time
subprocess.Popen(
    [sys.executable, "-c", "import time; time.sleep(600)"],
    env={**os.environ, "CREW_INSTANCE": sys.argv[1]}, start_new_session=True)
time.sleep(600)
"""

IGNORES_TERM = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""

pytestmark = pytest.mark.usefixtures("leaves_orphans")


def worker(
    code: str, *, log: Path | None = None, env: dict[str, str] | None = None
) -> WorkerLaunch:
    instance = random_name()
    return WorkerLaunch(
        worker=1,
        instance=instance,
        name=f"crew-test-{instance}",
        argv=(sys.executable, "-c", code, instance),
        env=env or {},
        log=None if log is None else str(log),
    )


@pytest.fixture
def launcher() -> Iterator[LocalLauncher]:
    launcher = Recorded()
    yield launcher
    launcher.terminate(launcher.handles)


class Recorded(LocalLauncher):
    """Remembers its handles, so that a failed test leaves no process."""

    def __init__(self) -> None:
        super().__init__()
        self.handles: list[LocalHandle] = []

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        handles = super().launch(request)
        self.handles += handles
        return handles


def start(launcher: LocalLauncher, *workers: WorkerLaunch) -> list[LocalHandle]:
    return launcher.launch(LaunchRequest(controller="test", launcher="local", workers=workers))


def wait_for_end(launcher: LocalLauncher, handle: LocalHandle) -> JobState:
    retry(lambda: launcher.poll([handle])[0].final, seconds_interval=0.01)
    return launcher.poll([handle])[0]


@pytest.mark.parametrize(
    ("code", "state", "text"),
    [
        ("pass", JobState.FINISHED, "exit 0"),
        ("raise SystemExit(3)", JobState.FAILED, "exit 3"),
        ("import os; os.kill(os.getpid(), 9)", JobState.FAILED, "signal 9"),
    ],
)
def test_end_of_a_worker_is_seen_exactly(
    launcher: LocalLauncher, code: str, state: JobState, text: str
) -> None:
    (handle,) = start(launcher, worker(code))
    assert wait_for_end(launcher, handle) is state
    assert launcher.exit_text(handle) == text
    assert not psutil.pid_exists(handle.pid)


def test_running_worker_is_running_in_its_own_session(launcher: LocalLauncher) -> None:
    one, two = start(launcher, worker(SLEEP), worker(SLEEP))
    assert launcher.poll([one, two]) == [JobState.RUNNING, JobState.RUNNING]
    assert launcher.exit_text(one) is None
    assert os.getsid(one.pid) == one.pid != os.getsid(0)
    assert launcher.job(one) == str(one.pid)


def test_environment_is_added_to_ours(launcher: LocalLauncher, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "w.log"
    code = "import os; print(os.environ['CREW_SECRET'], 'PATH' in os.environ)"
    (handle,) = start(launcher, worker(code, log=log, env={"CREW_SECRET": "s3"}))
    wait_for_end(launcher, handle)
    assert log.read_text() == "s3 True\n"


def test_log_is_private_and_appended_to(launcher: LocalLauncher, tmp_path: Path) -> None:
    log = tmp_path / "new" / "w.log"
    code = "import sys; print('out', flush=True); print('err', file=sys.stderr)"
    for _ in range(2):
        (handle,) = start(launcher, worker(code, log=log))
        wait_for_end(launcher, handle)
    assert log.read_text() == "out\nerr\n" * 2
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700


def test_terminate_ends_workers_and_may_be_repeated(launcher: LocalLauncher) -> None:
    handles = start(launcher, worker(SLEEP), worker(SLEEP), worker("pass"))
    launcher.terminate(handles)
    launcher.terminate(handles)
    assert not any(psutil.pid_exists(handle.pid) for handle in handles)
    assert all(state.final for state in launcher.poll(handles))
    launcher.terminate([])


def test_terminate_kills_a_worker_that_does_not_listen(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    log = tmp_path / "w.log"
    (handle,) = start(launcher, worker(IGNORES_TERM, log=log))
    retry(lambda: log.read_text() == "ready\n", seconds_interval=0.01)
    launcher.terminate([handle])
    assert launcher.exit_text(handle) == "signal 9"


def test_terminate_ends_a_frozen_worker(launcher: LocalLauncher) -> None:
    (handle,) = start(launcher, worker(SLEEP))
    os.kill(handle.pid, signal.SIGSTOP)
    launcher.terminate([handle])
    assert launcher.poll([handle]) == [JobState.FAILED]


def test_terminate_ends_descendants_that_left_the_session(launcher: LocalLauncher) -> None:
    (handle,) = start(launcher, worker(WITH_DESCENDANT))
    retry(lambda: find_tasks({handle.instance}), seconds_interval=0.01)
    launcher.terminate([handle])
    retry(lambda: find_tasks({handle.instance}) == [], seconds_interval=0.01)  # all are killed


def test_descendants_of_a_killed_worker_are_swept(launcher: LocalLauncher) -> None:
    (handle,) = start(launcher, worker(WITH_DESCENDANT))
    retry(lambda: find_tasks({handle.instance}), seconds_interval=0.01)
    os.kill(handle.pid, signal.SIGKILL)
    assert wait_for_end(launcher, handle) is JobState.FAILED
    retry(lambda: find_tasks({handle.instance}) == [], seconds_interval=0.01)


def test_handle_of_a_later_process_with_the_same_id_is_left_alone(launcher: LocalLauncher) -> None:
    (handle,) = start(launcher, worker(SLEEP))
    stale = LocalHandle(handle.pid, handle.create_time - 1000, "another")
    stranger = LocalLauncher()
    stranger.terminate([stale])
    assert stranger.poll([stale]) == [JobState.FINISHED]
    assert launcher.poll([handle]) == [JobState.RUNNING]


def test_handle_works_in_another_launcher_after_pickling(launcher: LocalLauncher) -> None:
    (handle,) = start(launcher, worker(SLEEP))
    copy = pickle.loads(pickle.dumps(handle))
    other = LocalLauncher()
    assert other.poll([copy]) == [JobState.RUNNING]
    other.terminate([copy])
    assert other.poll([copy]) == [JobState.FINISHED]
    assert launcher.exit_text(handle) == "signal 15"


def test_dropping_a_handle_does_not_end_the_worker(launcher: LocalLauncher) -> None:
    import gc

    (handle,) = start(launcher, worker(SLEEP))
    pid = handle.pid
    del handle
    gc.collect()
    assert psutil.Process(pid).is_running()


def test_command_that_is_not_there_is_a_launch_error_and_starts_none(
    launcher: LocalLauncher,
) -> None:
    good = worker(WITH_DESCENDANT)
    bad = WorkerLaunch(worker=2, instance="b", name="crew-test-b", argv=("/no/such/python", "-m"))
    with pytest.raises(LaunchError, match="cannot start crew-test-b") as caught:
        start(launcher, good, bad)
    assert not caught.value.transient
    assert caught.value.argv == ("/no/such/python", "-m")
    mine = [p for p in psutil.Process().children() if good.instance in words_of(p)]
    assert mine == []


def test_log_that_cannot_be_written_is_a_launch_error(
    launcher: LocalLauncher, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LaunchError, match="file"):
        start(launcher, worker("pass", log=tmp_path / "file" / "w.log"))


def test_a_handle_says_when_its_process_started() -> None:
    # Others look processes up by it, with psutil.
    launcher = LocalLauncher()
    sleeper = WorkerLaunch(worker=1, instance="i", name="n", argv=(sys.executable, "-c", "input()"))
    (handle,) = launcher.launch(LaunchRequest(workers=(sleeper,)))
    try:
        assert handle.create_time == pytest.approx(psutil.Process(handle.pid).create_time(), abs=1)
    finally:
        launcher.terminate([handle])


STAT = b"7 (a) b) S " + b" ".join(b"%d" % i for i in range(4, 30))


def test_when_a_process_started_is_read_whatever_its_name_is() -> None:
    assert started_at(STAT, b"cpu 1\nbtime 1000\n", ticks=10) == 1000 + 22 / 10


@pytest.mark.parametrize(
    ("process", "system"),
    [(STAT, b""), (STAT, b"btime \n"), (b"", b"btime 1\n"), (STAT[:20], b"btime 1\n")],
)
def test_a_system_that_does_not_tell_is_no_error_of_another_kind(
    process: bytes, system: bytes
) -> None:
    with pytest.raises(ValueError, match="no time of start"):
        started_at(process, system, ticks=10)


def words_of(process: psutil.Process) -> list[str]:
    """Its command line; none of one that has ended, which other tests may have left."""
    try:
        return list(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []
