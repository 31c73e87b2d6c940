"""What a platform says of workers that died decides about their tasks, and about the next ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest

import crew_core as crew
from crew_core._controller import session, verdicts
from crew_core._launcher.local import LocalHandle, LocalLauncher
from crew_core._launcher.processes import has_ended
from crew_core.plugins import JobReport, JobState, Launcher, LaunchRequest
from crew_core.testing import FakePlatform

SECONDS = 90.0


class Site(Launcher):
    """A platform of processes here, whose tales of their deaths a test makes up.

    Workers come over the network, as those of a real platform do.
    """

    ladders: ClassVar[tuple[str, ...]] = ("memory", "seconds")

    @dataclass(frozen=True, kw_only=True)
    class Options:
        memory: float | tuple[float, ...] | None = None
        seconds: float | tuple[float, ...] = float("inf")

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.local_launcher = LocalLauncher()
        self.steps_launched: list[int] = []
        self.handles: list[LocalHandle] = []
        self.running_before: list[int] = []  # of each launch, how many of its workers there were
        self.tale: JobReport | None = None
        self.asked_after_death = 0
        self.ended: list[int] = []

    def launch(self, request: LaunchRequest) -> list[LocalHandle]:
        states = self.local_launcher.poll(self.handles)
        self.running_before.append(states.count(JobState.RUNNING))
        handles = self.local_launcher.launch(request)
        self.steps_launched += [request.step] * len(handles)
        self.handles += handles
        return handles

    def seconds_life(self, step: int) -> float:
        return float(self.options_at(step).seconds)

    def terminate(self, handles: Sequence[LocalHandle]) -> None:
        self.ended += [handle.pid for handle in handles]
        self.local_launcher.terminate(handles)

    def poll(self, handles: Sequence[LocalHandle]) -> list[JobState | JobReport]:
        states = self.local_launcher.poll(handles)
        self.asked_after_death += any(state.final for state in states)
        return [self.tale if self.tale and state.final else state for state in states]

    def kill(self, worker: int = 1, number: signal.Signals = signal.SIGKILL) -> None:
        """End a worker and all its processes, or ask it to end, as a platform does."""
        # It may run before the call that launched it has come to an end.
        crew.retry(lambda: len(self.handles) >= worker, seconds_interval=0.01)
        os.kill(self.handles[worker - 1].pid, number)


Open = Callable[..., tuple[crew.Controller, Site]]


@pytest.fixture
def open_site(controller_name: str) -> Iterator[Open]:
    """Opens controllers on such a platform."""
    opened: list[crew.Controller] = []

    def open_site(*, options: dict[str, Any] | None = None, **more: Any) -> Any:
        site = Site(Site.Options(**(options or {})))
        opened.append(
            crew.controller(
                site, name=controller_name, host="127.0.0.1", seconds_interval=0.05, **more
            )
        )
        return opened[-1], site

    yield open_site
    for controller in opened:
        controller.terminate()


def started(path: Path) -> None:
    """Wait for a task to say that it runs."""
    crew.retry(path.exists, seconds_interval=0.01, seconds_timeout=SECONDS)


def first_time(path: str) -> bool:
    """Hang at the first time; True at the second."""
    if os.path.exists(path):
        return True
    Path(path).touch()
    time.sleep(600)
    return False


def test_a_task_is_not_blamed_for_what_its_platform_did(open_site: Open, tmp_path: Path) -> None:
    controller, site = open_site(crashes_max=0)
    task = controller.push(first_time, (str(tmp_path / "here"),), name="t")
    started(tmp_path / "here")
    site.tale = JobReport(JobState.FAILED, cause="preempted", reason="PREEMPTED")
    site.kill()
    assert task.result(SECONDS) is True
    assert record_of(task).attempts == 2
    assert controller.crashes("t") == 0


def test_the_record_says_how_and_in_whose_words(open_site: Open, tmp_path: Path) -> None:
    controller, site = open_site(retry_tasks=False)
    task = controller.push(first_time, (str(tmp_path / "here"),))
    started(tmp_path / "here")
    site.tale = JobReport(JobState.FAILED, cause="node_lost", reason="NODE_FAIL n3")
    site.kill()
    controller.wait(seconds_timeout=SECONDS)
    assert (record_of(task).status, record_of(task).cause) == ("crash", "node_lost")
    assert "node_lost: NODE_FAIL n3" in str(record_of(task).error)


def test_a_worker_that_is_asked_to_end_by_its_platform_dies_of_what_that_says(
    open_site: Open, tmp_path: Path
) -> None:
    controller, site = open_site(retry_tasks=False)
    task = controller.push(first_time, (str(tmp_path / "here"),))
    started(tmp_path / "here")
    site.tale = JobReport(JobState.FAILED, cause="wall_time", reason="TIMEOUT")
    site.kill(number=signal.SIGTERM)
    controller.wait(seconds_timeout=SECONDS)
    assert record_of(task).cause == "wall_time"


def test_too_little_memory_is_met_by_the_next_step_and_success_by_the_first(
    open_site: Open, tmp_path: Path
) -> None:
    controller, site = open_site(
        options={"memory": (4, 8, 16)}, workers=2, crashes_max=0, seconds_idle=0.5
    )
    task = controller.push(first_time, (str(tmp_path / "here"),))
    started(tmp_path / "here")
    site.tale = JobReport(JobState.FAILED, cause="out_of_memory", reason="OUT_OF_MEMORY 0:125")
    site.kill()
    assert task.result(SECONDS) is True
    assert site.steps_launched == [0, 1]
    # The second one leaves, with all that it was given done.
    crew.retry(
        lambda: controller.launcher.summary()["online"].sum() == 0,
        seconds_interval=0.05,
        seconds_timeout=SECONDS,
    )
    controller.launcher.summary()  # the dispatcher answers in turn: all that follows has been done
    assert controller.push("1 + 1").result(SECONDS) == 2
    assert site.steps_launched == [0, 1, 0]


def test_a_worker_that_is_idle_and_too_small_does_not_keep_a_larger_one_away(
    open_site: Open, tmp_path: Path
) -> None:
    controller, site = open_site(options={"memory": (4, 8)}, workers=2, crashes_max=0)
    controller.launch(2)
    crew.retry(lambda: controller.launcher.summary()["online"].sum() == 2, seconds_interval=0.05)
    task = controller.push(first_time, (str(tmp_path / "here"),))
    started(tmp_path / "here")
    inspected = controller.launcher.summary()
    (busy,) = inspected.loc[inspected["assigned"] > inspected["complete"], "worker"]
    site.tale = JobReport(JobState.FAILED, cause="out_of_memory")
    site.kill(int(busy))
    assert task.result(SECONDS) is True
    assert site.steps_launched == [0, 0, 1]


def test_no_other_worker_is_launched_before_it_is_known_what_it_needs(
    open_site: Open, tmp_path: Path
) -> None:
    controller, site = open_site(options={"memory": (4, 8)}, workers=1, crashes_max=0)
    task = controller.push(first_time, (str(tmp_path / "here"),))
    started(tmp_path / "here")
    site.tale = JobReport(JobState.UNKNOWN)
    site.kill(number=signal.SIGTERM)
    crew.retry(lambda: site.asked_after_death > 3, seconds_interval=0.05)
    site.tale = JobReport(JobState.FAILED, cause="out_of_memory")
    assert task.result(SECONDS) is True
    assert site.steps_launched == [0, 1]


def test_a_verdict_that_comes_late_still_brings_a_larger_worker(
    open_site: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (session, verdicts):  # not before the next worker has come, at its leisure
        monkeypatch.setattr(module, "VERDICT_SECONDS", SECONDS)
    controller, site = open_site(options={"memory": (4, 8)}, workers=1, crashes_max=0)
    task = controller.push(first_time, (str(tmp_path / "here"),))
    started(tmp_path / "here")
    site.tale = JobReport(JobState.UNKNOWN)
    site.kill(number=signal.SIGTERM)
    crew.retry(lambda: site.asked_after_death > 3, seconds_interval=0.05)
    controller.launch(1)
    crew.retry(lambda: controller.launcher.summary()["online"].sum() == 1, seconds_interval=0.05)
    site.tale = JobReport(JobState.FAILED, cause="out_of_memory")
    assert task.result(SECONDS) is True
    assert site.steps_launched == [0, 0, 1]


def test_a_worker_leaves_before_its_job_ends_and_what_runs_dies_of_time(
    open_site: Open, tmp_path: Path
) -> None:
    controller, site = open_site(options={"seconds": (12.0, 600.0)}, crashes_max=0)
    task = controller.push(first_time, (str(tmp_path / "here"),))
    assert task.result(SECONDS) is True
    *before, last = site.steps_launched
    # A second one may have been there to take the first one's place.
    assert (set(before), last) == ({0}, 1)
    assert site.handles[0].pid not in site.ended, "it left by itself"
    assert record_of(task).attempts == 2


def test_the_replacement_is_asked_for_before_a_worker_has_to_leave(
    open_site: Open, gate: Any
) -> None:
    controller, site = open_site(options={"seconds": 20.0})
    task = controller.submit(gate.hold)
    crew.retry(lambda: len(site.handles) >= 2, seconds_interval=0.05, seconds_timeout=SECONDS)
    gate.open()
    task.result(SECONDS)
    assert site.running_before[:2] == [0, 1]


def test_what_no_worker_lives_for_is_refused_and_a_longer_life_is_launched_for_what_one_does(
    open_site: Open,
) -> None:
    controller, site = open_site(options={"seconds": (30.0, 60.0)})
    with pytest.raises(crew.ConfigError, match=r"seconds_expected=61.*60 s of its job"):
        controller.push("1", seconds_expected=61)
    assert controller.push("1", seconds_expected=45).result(SECONDS) == 1
    assert site.steps_launched == [1]
    assert controller.push("2", seconds_expected=20).result(SECONDS) == 2
    assert site.steps_launched == [1]


def test_room_is_made_for_a_longer_life(open_site: Open) -> None:
    controller, site = open_site(options={"seconds": (30.0, 60.0)})
    assert controller.push("1").result(SECONDS) == 1
    assert controller.push("2", seconds_expected=45).result(SECONDS) == 2
    assert site.steps_launched == [0, 1]


def test_a_launch_that_can_never_start_stops_launching_with_the_platforms_words(
    controller_name: str,
) -> None:
    class Hopeless(Site):
        def launch(self, request: LaunchRequest) -> list[Any]:
            return ["4711"] * len(request.workers)

        def poll(self, handles: Sequence[Any]) -> list[JobState | JobReport]:
            reason = "Can Never Run: Insufficient amount of resource: ncpus"
            return [JobReport(JobState.PENDING, reason=reason, hopeless=True)] * len(handles)

        def terminate(self, handles: Sequence[Any]) -> None:
            self.ended += [int(handle) for handle in handles]

    launcher = Hopeless()
    with crew.controller(launcher, name=controller_name, seconds_interval=0.05) as hopeless:
        hopeless.push("1")
        with pytest.raises(crew.LaunchError, match="Can Never Run"):
            hopeless.wait(seconds_timeout=SECONDS)
    assert launcher.ended[0] == 4711


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2], ids=["term", "usr2"])
def test_who_signals_all_processes_of_a_job_ends_it(
    controller_name: str, tmp_path: Path, number: signal.Signals
) -> None:
    with crew.controller("local", name=controller_name, retry_tasks=False) as controller:
        task = controller.push(tell_and_hang, (str(tmp_path / "pid"),))
        started(tmp_path / "pid")
        workers = crew.monitor("local").workers()
        (worker,) = map(int, workers.loc[workers["controller"] == controller_name, "pid"])
        process = psutil.Process(int((tmp_path / "pid").read_text()))
        os.kill(worker, signal.SIGSTOP)  # or it may see the one long before the other comes
        process.send_signal(number)
        crew.retry(lambda: has_ended(process), seconds_interval=0.01)
        os.kill(worker, number)  # its worker's comes last
        os.kill(worker, signal.SIGCONT)
        controller.wait(seconds_timeout=SECONDS)
    assert record_of(task).cause == "job_ended"


SIGNALLED = """
import os, signal
from crew_core._worker.signals import Signals, ask_for_end

signals = Signals()
print(ask_for_end(signals.take_late()))
os.kill(os.getpid(), signal.SIGTERM)
print(ask_for_end(signals.take_late()))
"""


def test_a_worker_looks_whether_its_own_signal_follows_that_of_its_task() -> None:
    argv = [sys.executable, "-c", SIGNALLED]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_a_task_that_kills_itself_is_to_blame(controller_name: str) -> None:
    with crew.controller("local", name=controller_name, retry_tasks=False) as controller:
        task = controller.push("import os; os.kill(os.getpid(), 15)")
        controller.wait(seconds_timeout=SECONDS)
    assert record_of(task).cause == "signal 15"


def tell_and_hang(path: str) -> None:
    """Write down this process, and hang."""
    Path(f"{path}.new").write_text(str(os.getpid()))
    os.rename(f"{path}.new", path)
    time.sleep(600)


def test_an_empty_ladder_is_refused_at_once() -> None:
    with pytest.raises(crew.ConfigError, match=r"memory=.*at least one step"):
        crew.controller(Site(Site.Options(memory=())))


def test_a_ladder_in_a_file_is_a_list(project: Path) -> None:
    (project / "crew.toml").write_text(
        '[controllers.big]\nlauncher = "crew_core.testing:FakeLauncher"\nmemory = [4, 8]\n'
    )
    assert crew.controller("big").launcher.steps == 2


def test_a_job_that_somebody_cancels_is_no_crash_for_launch_daemons_either(
    controller_name: str, tmp_path: Path
) -> None:
    controller = crew.controller(
        "crew_core.testing:FakePlatformLauncher",
        name=controller_name,
        folder=str(tmp_path),
        processes=1,
        host="127.0.0.1",
        seconds_interval=0.05,
        crashes_max=0,
    )
    with controller:
        task = controller.push(first_time, (str(tmp_path / "here"),))
        started(tmp_path / "here")
        FakePlatform(tmp_path).cancel_all()
        assert task.result(SECONDS) is True
        assert record_of(task).attempts == 2


def record_of(task: crew.Task[Any]) -> crew.Record:
    assert task.record is not None
    return task.record
