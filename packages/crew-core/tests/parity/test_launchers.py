"""What an author of a launcher writes, and what it gives: processes, their logs, their ends."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

import crew_core as crew
from crew_core._launcher.processes import has_ended
from crew_core.plugins import Launcher, LaunchRequest

Make = Callable[..., crew.Controller]

SECONDS = 60

pytestmark = pytest.mark.usefixtures("state_home")


class Processes(Launcher):
    """Starts each worker as a process."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.started: list[subprocess.Popen[bytes]] = []

    def launch(self, request: LaunchRequest) -> list[int]:
        return [self.start(worker.argv, worker.env) for worker in request.workers]

    def start(self, argv: Sequence[str], env: Any) -> int:
        self.started.append(subprocess.Popen(argv, env={**os.environ, **env}))
        return self.started[-1].pid

    def end(self) -> list[int]:
        """Wait until all have ended; their exit codes."""
        return [process.wait(SECONDS) for process in self.started]


class Shell(Processes):
    """Starts each worker as a line of the shell, in the background."""

    def start(self, argv: Sequence[str], env: Any) -> int:
        line = f"{shlex.join(argv)} & echo $!"
        done = subprocess.run(
            line, shell=True, env={**os.environ, **env}, check=True, stdout=subprocess.PIPE
        )
        return int(done.stdout.split()[0])


class Abstract(Launcher):
    """Forgets to write ``launch``."""


# ── A launcher of one's own ────────────────────────────────────────────────────────────────────


def test_a_launcher_must_say_how_to_launch() -> None:
    with pytest.raises(TypeError, match="launch"):
        Abstract()  # type: ignore[abstract]  # what is tested


def test_before_the_start_a_launcher_has_nothing_to_tell() -> None:
    launcher = Processes()
    assert launcher.name == "processes"
    assert launcher.errors == []
    assert len(launcher.summary()) == 0
    assert "crew_core" in launcher.call()


def test_a_launcher_of_one_method_runs_tasks_and_ends_with_its_controller() -> None:
    launcher = Processes()
    with crew.controller(launcher, workers=1) as controller:
        worker = controller.push("import os\nos.getppid()").result(SECONDS)
        assert [process.pid for process in launcher.started] == [worker]
        assert launcher.summary()["job"].tolist() == [str(worker)]
        assert launcher.started[0].poll() is None
    assert launcher.end() == [0]


def test_the_call_is_one_line_for_a_shell_without_a_secret(make: Make) -> None:
    controller = make()
    controller.start()
    call = controller.launcher.call()
    assert "\n" not in call
    assert controller.name in shlex.split(call)
    assert "crew_core._worker" in call


def test_a_launcher_through_the_shell_whose_workers_idle_out_and_come_back() -> None:
    with crew.controller(Shell(), workers=2, seconds_idle=0.2) as controller:
        for round_ in range(2):
            names = [f"task {round_} {number:02}" for number in range(100)]
            controller.walk("name", {"name": names}, names="name")
            assert controller.wait(seconds_timeout=SECONDS)
            table = controller.collect()
            assert table is not None
            assert sorted(table["result"]) == names
            crew.retry(
                lambda: not controller.launcher.summary()["online"].any(), seconds_interval=0.02
            )


def test_options_of_a_launcher_reach_its_workers(make: Make) -> None:
    """Seconds stay seconds on their way: nothing is converted to what another part counts in."""
    controller = make(tasks_max=2, reset_globals=False)
    pids = [controller.push("import os\nos.getppid()").result(SECONDS) for _ in range(4)]
    assert [pids.count(pid) for pid in pids] == [2] * 4


def test_a_launch_that_fails_is_seen_and_told() -> None:
    class Broken(Processes):
        def launch(self, request: LaunchRequest) -> list[int]:
            raise crew.LaunchError("no such queue", stderr="queue 'x' does not exist")

    launcher = Broken()
    with crew.controller(launcher) as controller:
        controller.push("1")
        with pytest.raises(crew.LaunchError, match="no such queue"):
            controller.wait(seconds_timeout=SECONDS)
        assert launcher.errors[0].stderr == "queue 'x' does not exist"


# ── The local launcher ─────────────────────────────────────────────────────────────────────────


def test_a_worker_is_a_process_that_ends_with_its_controller(make: Make) -> None:
    controller = make()
    record = controller.push(os.getppid)
    worker = psutil.Process(record.result(SECONDS))
    assert worker.is_running()
    assert controller.launcher.summary()["job"].tolist() == [str(worker.pid)]
    controller.terminate()
    crew.retry(lambda: has_ended(worker), seconds_interval=0.02)


def test_a_worker_ends_after_tasks_max(make: Make) -> None:
    controller = make(tasks_max=1)
    worker = psutil.Process(controller.push(os.getppid).result(SECONDS))
    crew.retry(
        lambda: controller.launcher.summary()["state"].tolist() == ["exited"],
        seconds_interval=0.02,
    )
    crew.retry(lambda: has_ended(worker), seconds_interval=0.02)


def test_a_log_holds_all_that_a_task_says(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "made" / "when needed"
    controller = make(log_directory=folder)
    assert not folder.exists()
    handle = controller.push(
        "import sys, warnings\n"
        "print('this is print')\n"
        "print('this is on standard error', file=sys.stderr)\n"
        "warnings.warn('this is a warning')\n"
        "raise ValueError('this is an error')"
    )
    assert controller.wait(seconds_timeout=SECONDS)
    text = controller.logs(handle)
    for said in ("print", "on standard error", "a warning", "an error"):
        assert f"this is {said}" in text
    assert handle.record is not None
    assert Path(str(handle.record.log)).is_relative_to(folder)
    assert "this is print" in Path(str(handle.record.log)).read_text("utf-8")


def test_two_workers_have_two_logs(make: Make, gate: Any) -> None:
    controller = make(workers=2)
    handles = [controller.push(gate.hold) for _ in range(2)]
    gate.wait_for(2)
    gate.open()
    assert controller.wait(seconds_timeout=SECONDS)
    assert len({handle.record.log for handle in handles if handle.record is not None}) == 2


def test_metrics_of_the_local_processes_are_written_on_request(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "resources.csv"
    controller = make(log_resources=path)
    assert controller.push("1").result(SECONDS) == 1
    crew.retry(lambda: path.exists() and "worker" in path.read_text("utf-8"))
    header, *rows = path.read_text("utf-8").splitlines()
    assert header == "name,pid,status,rss,time"
    assert {"client", "dispatcher"} <= {row.split(",")[0] for row in rows}
