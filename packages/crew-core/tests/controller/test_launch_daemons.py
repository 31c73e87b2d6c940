"""``processes``: launch daemons call the launcher, and the controller never waits for it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

import crew_core as crew
from crew_core._launcher.local import LocalHandle, LocalLauncher
from crew_core._launcher.processes import has_ended
from crew_core._model.states import InstanceState
from crew_core.plugins import JobState, LaunchRequest

SECONDS = 90
COMMAND = "crew_core._controller.worker_maker.worker_command"

Survivors = Callable[[], "list[psutil.Process]"]


class Watched(LocalLauncher):
    """The local launcher; leaves a trace of each call, and does what files in its folder say."""

    @dataclass(frozen=True, kw_only=True)
    class Options:
        folder: str
        password: str = ""

    @property
    def folder(self) -> Path:
        return Path(self.options.folder)

    def launch(self, request: LaunchRequest) -> list[Any]:
        self.trace("launch", *[worker.instance for worker in request.workers])
        crew.retry(lambda: not self.said("hold"), seconds_interval=0.01)
        if self.said("die", once=True):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.said("busy", once=True):
            raise crew.LaunchError("busy, try again", transient=True)
        if self.takes("crowded"):
            raise crew.LaunchError("too many jobs", transient=True)
        if self.said("refuse"):
            raise crew.LaunchError("no such queue", argv=("sbatch",), returncode=1, stderr="no")
        handles: list[Any] = super().launch(request)
        if self.said("strange"):
            self.trace("started", *[str(handle.pid) for handle in handles])
            return [Strange(handle) for handle in handles]
        return handles

    def terminate(self, handles: Sequence[Any]) -> None:
        self.trace("terminate", *[handle.instance for handle in handles])
        super().terminate([getattr(handle, "handle", handle) for handle in handles])

    def poll(self, handles: Sequence[Any]) -> list[JobState]:
        if self.said("deaf"):
            raise OSError("the scheduler does not answer")
        return super().poll(handles)

    def logs(self, handle: LocalHandle) -> str:  # type: ignore[override]  # None there
        """As of a platform that keeps what its jobs print."""
        self.trace("logs", handle.instance)
        return "the node has no disk left"

    def said(self, word: str, *, once: bool = False) -> bool:
        file = self.folder / word
        there = file.exists()
        if once:
            file.unlink(missing_ok=True)
        return there

    def takes(self, word: str) -> bool:
        """Use up one of several files, each of which counts for one call."""
        for file in self.folder.glob(f"{word}-*"):
            with contextlib.suppress(FileNotFoundError):  # another daemon was quicker
                file.unlink()
                return True
        return False

    def trace(self, call: str, *words: str) -> None:
        draft = self.folder / f"draft-{uuid.uuid4().hex}"
        draft.write_text(" ".join([str(os.getpid()), *words]))
        draft.rename(self.folder / f"{call}-{uuid.uuid4().hex}")


class Strange:
    """A handle that pickle cannot copy."""

    def __init__(self, handle: LocalHandle) -> None:
        self.handle = handle
        self.instance = handle.instance
        self.lock = threading.Lock()


class Scene:
    """A controller on a watched launcher, and what the launcher was seen to do."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self._name = name

    def controller(self, **options: Any) -> crew.Controller:
        launcher = Watched(Watched.Options(folder=str(self.folder), password="hush"))
        return crew.controller(
            launcher, name=self._name, **{"workers": 1, "processes": 2, **options}
        )

    def say(self, word: str) -> None:
        (self.folder / word).touch()

    def unsay(self, word: str) -> None:
        (self.folder / word).unlink()

    def calls(self, call: str) -> list[list[str]]:
        """The process and the other words of each such call so far."""
        return [file.read_text().split() for file in self.folder.glob(f"{call}-*")]

    def launched(self) -> list[str]:
        return [instance for _, *instances in self.calls("launch") for instance in instances]

    def wait_for(self, call: str, times: int = 1) -> None:
        wait_until(lambda: len(self.calls(call)) >= times)

    def daemons(self) -> list[int]:
        table = crew.monitor("local").daemons()
        return list(table[table["controller"] == self._name]["pid"])


@pytest.fixture
def scene(tmp_path: Path, controller_name: str) -> Scene:
    folder = tmp_path / "scene"
    folder.mkdir()
    return Scene(folder, controller_name)


def wait_until(condition: Callable[[], object]) -> None:
    crew.retry(lambda: bool(condition()), seconds_interval=0.02, seconds_timeout=SECONDS)


def states(controller: crew.Controller) -> list[str]:
    return list(controller.launcher.summary()["state"])


def wait_for_jobs(controller: crew.Controller) -> None:
    """A worker may be there, and have run tasks, before its launch is answered."""
    wait_until(lambda: controller.launcher.summary()["job"].notna().all())


def wait_for_stop(controller: crew.Controller) -> None:
    """A moment after a refusal is among the errors, launching has stopped."""
    wait_until(lambda: controller._running().failures.error)


def is_over(pid: int) -> bool:
    try:
        return has_ended(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return True


# ── In the background ──────────────────────────────────────────────────────────────────────────


def test_daemons_launch_and_end_the_workers(scene: Scene, survivors: Survivors) -> None:
    with scene.controller(workers=2) as controller:
        daemons = scene.daemons()
        assert len(daemons) == 2
        table = controller.map("x + 1", {"x": [1, 2, 3]})
        assert table["result"].tolist() == [2, 3, 4]
        wait_for_jobs(controller)
        jobs = controller.launcher.summary().set_index("instance")["job"]
        worker = psutil.Process(int(jobs[table["instance"][0]]))  # the other one may have left
        assert worker.ppid() in daemons
    assert {int(pid) for pid, *_ in scene.calls("launch")} <= set(daemons)
    assert survivors() == []


def test_calls_return_while_the_platform_takes_its_time(scene: Scene) -> None:
    scene.say("hold")
    with scene.controller() as controller:
        handle = controller.push(abs, (-1,), throttle=False)
        scene.wait_for("launch")
        assert controller.scale() is False
        controller.launch()
        scene.wait_for("launch", 2)  # two daemons, two launches at once
        assert states(controller) == ["submitting", "submitting"]
        assert controller.wait(seconds_timeout=0.1) is False
        assert controller.pop() is None
        scene.unsay("hold")
        assert handle.result(SECONDS) == 1


def test_what_is_being_launched_is_not_launched_again(scene: Scene) -> None:
    scene.say("hold")
    with scene.controller(workers=2, seconds_interval=0.01) as controller:
        for i in range(100):
            controller.push(abs, (i,), throttle=i % 2 == 0)
            controller.pop()
            controller.scale(throttle=False)
        assert controller.wait(seconds_timeout=0.3) is False
        scene.unsay("hold")
        assert controller.wait(seconds_timeout=SECONDS)
        # The second may come so late that nobody needs it any more.
        wait_until(lambda: not {"submitting", "pending"} & set(states(controller)))
        assert len(scene.launched()) == 2


def test_launch_goes_beyond_workers_and_such_workers_stay(scene: Scene) -> None:
    with scene.controller() as controller:
        controller.launch(3)
        wait_until(lambda: states(controller) == ["online"] * 3)
        assert controller.submit(abs, -1).result(SECONDS) == 1
        assert states(controller) == ["online"] * 3
        assert len(scene.launched()) == 3


def test_daemons_share_a_launch_unless_the_launcher_gathers(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scene.controller(processes=3, seconds_launch=600) as controller:
        scene.say("hold")  # or a quick daemon could take two parts
        controller.launch(5)
        scene.wait_for("launch", 3)
        scene.unsay("hold")
        wait_until(lambda: states(controller) == ["online"] * 5)
        calls = scene.calls("launch")
        assert sorted(len(instances) for _, *instances in calls) == [1, 2, 2]
        assert {int(pid) for pid, *_ in calls} == set(scene.daemons())
        monkeypatch.setattr(Watched, "gathers", True)
        controller.launch(5)
        wait_until(lambda: states(controller) == ["online"] * 10)
        assert max(len(instances) for _, *instances in scene.calls("launch")) == 5


def test_parts_of_one_launch_that_fail_count_once(scene: Scene) -> None:
    with scene.controller(processes=3, launch_max=3, workers=3) as controller:
        for part in range(3):
            scene.say(f"crowded-{part}")
        scene.say("hold")  # until each daemon has its part
        handles = controller.walk("x", {"x": range(3)})
        scene.wait_for("launch", 3)
        scene.unsay("hold")
        assert [handle.result(SECONDS) for handle in handles.values()] == [0, 1, 2]
        assert len(controller.launcher.errors) == 3


def test_a_job_that_ends_at_once_is_noticed_by_asking_the_platform(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scene.controller(launch_max=1, seconds_launch=600) as controller:
        session = controller._running()
        command = (sys.executable, "-c", "print('cannot start'); exit(3)")
        monkeypatch.setattr(COMMAND, lambda *_, **__: command)
        controller.push(abs, (1,))
        with pytest.raises(crew.LaunchError, match=r"ended before it connected \(failed\)") as told:
            controller.wait(seconds_timeout=SECONDS)
        assert told.value.log_tail == "cannot start"
        assert session.failures.errors == controller.launcher.errors


def test_what_a_platform_kept_of_a_futile_launch_is_in_the_error(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = (sys.executable, "-c", "exit(3)")
    monkeypatch.setattr(COMMAND, lambda *_, **__: command)
    with scene.controller(launch_max=1) as controller:
        controller.push(abs, (1,))
        with pytest.raises(crew.LaunchError, match="the node has no disk left"):
            controller.wait(seconds_timeout=SECONDS)
        ((daemon, _),) = scene.calls("logs")
        assert int(daemon) in scene.daemons()
        assert len(scene.launched()) == 1


def test_a_plugins_launcher_is_imported_where_the_controller_found_it(
    site: Path, install: Any, registering: Any, controller_name: str
) -> None:
    install(
        "cloud",
        {"cloud": "plugin_cloud"},
        {
            "plugin_cloud": registering({"cloud": "plugin_cloud_launcher:Cloud"}),
            "plugin_cloud_launcher": """
                from dataclasses import dataclass
                from crew_core._launcher.local import LocalLauncher

                class Cloud(LocalLauncher):
                    @dataclass(frozen=True, kw_only=True)
                    class Options:
                        zone: str = "a"

                    def job(self, handle):
                        return f"{self.name}-{self.options.zone}-{handle.pid}"
            """,
        },
    )
    with crew.controller("cloud", name=controller_name, zone="b", processes=1) as controller:
        assert controller.submit(abs, -1).result(SECONDS) == 1
        wait_for_jobs(controller)
        (job,) = controller.launcher.summary()["job"]
        assert job.startswith("cloud-b-")


def test_workers_whose_launch_came_too_late_are_ended(scene: Scene, survivors: Survivors) -> None:
    scene.say("hold")
    with scene.controller(seconds_launch=0.1, launch_max=1) as controller:
        controller.push(abs, (1,))
        with pytest.raises(crew.LaunchError, match=r"did not connect within seconds_launch=0\.1"):
            controller.wait(seconds_timeout=SECONDS)
        scene.unsay("hold")
        scene.wait_for("terminate")
        assert [words[1:] for words in scene.calls("terminate")] == [scene.launched()]
    assert survivors() == []


def test_terminate_ends_what_is_being_launched(scene: Scene, survivors: Survivors) -> None:
    scene.say("hold")
    controller = scene.controller(processes=1)
    controller.launch()
    controller.launch()  # waits for the first, and is never begun
    scene.wait_for("launch")
    rows = controller._running().roster.rows()  # a dispatcher that ends answers no questions
    with ThreadPoolExecutor(1) as threads:
        ended = threads.submit(controller.terminate)
        wait_until(lambda: InstanceState.LAUNCH_FAILED in {row.state for row in rows})
        scene.unsay("hold")
        ended.result(SECONDS)
    assert len(scene.launched()) == 1
    assert survivors() == []


# ── Errors ─────────────────────────────────────────────────────────────────────────────────────


def test_a_refusal_is_kept_and_raised_by_all_that_wait_until_reset(scene: Scene) -> None:
    scene.say("refuse")
    with scene.controller() as controller:
        assert controller.launcher.errors == []
        handle = controller.push(abs, (-3,), name="patient")
        calls: list[Callable[[], object]] = [
            controller.wait,
            controller.pop,
            lambda: controller.push(abs, (1,)),
            lambda: controller.submit(abs, 1),
            lambda: controller.walk("x", {"x": [1]}),
        ]
        for call in calls:
            with pytest.raises(crew.LaunchError, match="no such queue"):
                call()
        (error,) = controller.launcher.errors
        assert not error.transient
        assert (error.argv, error.returncode, error.stderr) == (("sbatch",), 1, "no")
        assert (controller.size, handle.done()) == (1, False)
        scene.unsay("refuse")
        controller.launcher.reset()
        assert handle.result(SECONDS) == 3
        assert controller.launcher.errors == [error]


def test_launch_and_scale_return_and_the_refusal_is_seen_later(scene: Scene) -> None:
    scene.say("refuse")
    with scene.controller() as controller:
        controller.descale()
        controller.launch()
        wait_for_stop(controller)
        controller.launcher.reset()
        controller.push(abs, (1,), scale=False)
        assert controller.scale() is True
        wait_until(lambda: len(controller.launcher.errors) == 2)
        assert states(controller) == ["launch_failed"]


def test_what_is_transient_is_tried_again(scene: Scene) -> None:
    scene.say("busy")
    with scene.controller() as controller:
        assert controller.submit(abs, -1).result(SECONDS) == 1
        assert [str(error) for error in controller.launcher.errors] == ["busy, try again"]
        assert len(scene.launched()) == 2


def test_handles_that_cannot_be_copied_are_refused_and_their_workers_ended(
    scene: Scene, survivors: Survivors
) -> None:
    scene.say("strange")
    with scene.controller() as controller:
        controller.push(time.sleep, (600,))  # its worker may come, and go, before the refusal
        with pytest.raises(crew.LaunchError, match="handle must be an object that pickle can copy"):
            controller.wait(seconds_timeout=SECONDS)
        assert scene.calls("terminate")
        pids = [int(pid) for _, pid in scene.calls("started")]
        wait_until(lambda: all(map(is_over, pids)))
    assert survivors() == []


def test_a_launcher_that_cannot_be_copied_is_refused_at_the_start(scene: Scene) -> None:
    launcher = Watched(Watched.Options(folder=threading.Lock()))  # type: ignore[arg-type]
    controller = crew.controller(launcher, processes=1)
    with pytest.raises(crew.ConfigError, match=r"processes=1: .* cannot be pickled"):
        controller.start()
    assert not controller.started


class Choosy(LocalLauncher):
    """Made from something else than options."""

    def __init__(self, cluster: str) -> None:
        super().__init__()
        self.cluster = cluster


class Portable(Choosy):
    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.cluster,)


def test_a_launcher_with_other_parameters_says_how_it_is_copied(controller_name: str) -> None:
    with crew.controller(Choosy("a"), name=controller_name, processes=1) as controller:
        controller.push(abs, (1,))
        with pytest.raises(crew.LaunchError, match="or define __reduce__"):
            controller.wait(seconds_timeout=SECONDS)
    with crew.controller(Portable("a"), name=controller_name, processes=1) as controller:
        assert controller.submit(abs, -1).result(SECONDS) == 1


def test_what_a_plugin_does_wrong_in_a_daemon_is_in_the_log(
    scene: Scene, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.say("deaf")
    with scene.controller(seconds_interval=0.01) as controller:
        with monkeypatch.context() as patch:  # of who connects the platform is not asked
            command = (sys.executable, "-c", "import time; time.sleep(600)")
            patch.setattr(COMMAND, lambda *_, **__: command)
            controller.launch()
        wait_until(lambda: "the scheduler does not answer" in caplog.text)
        controller.launch()
        assert controller.submit(abs, -1).result(SECONDS) == 1


# ── Deaths ─────────────────────────────────────────────────────────────────────────────────────


def test_a_daemon_killed_in_a_launch_is_replaced_and_the_launch_tried_again(scene: Scene) -> None:
    scene.say("die")
    with scene.controller(processes=1) as controller:
        (daemon,) = scene.daemons()
        assert controller.submit(abs, -1).result(SECONDS) == 1
        (error,) = controller.launcher.errors
        assert error.transient
        assert f"launch daemon {daemon} " in str(error)
        assert "died (signal 9) in launch()" in str(error)
        (other,) = scene.daemons()
        assert other != daemon
        assert len(scene.launched()) == 2


def test_an_idle_daemon_that_was_killed_is_not_missed(scene: Scene, survivors: Survivors) -> None:
    with scene.controller(processes=1) as controller:
        controller.launch()
        wait_until(lambda: states(controller) == ["online"])
        wait_for_jobs(controller)
        (daemon,) = scene.daemons()
        os.kill(daemon, signal.SIGKILL)
        wait_until(lambda: not scene.daemons())
        controller.launch()
        wait_until(lambda: states(controller) == ["online", "online"])
        assert controller.launcher.errors == []
    assert sorted(i for _, *of in scene.calls("terminate") for i in of) == sorted(scene.launched())
    assert survivors() == []


def test_daemons_can_be_ended_from_outside(scene: Scene) -> None:
    with scene.controller(processes=1) as controller:
        crew.monitor("local").terminate(scene.daemons())
        wait_until(lambda: scene.daemons() == [])
        assert controller.submit(abs, -1).result(SECONDS) == 1


USER = """
    import os, pathlib, subprocess, sys, time
    import crew_core as crew
    from crew_core._launcher.local import LocalLauncher

    class Held(LocalLauncher):
        def launch(self, request):
            if pathlib.Path({hold!r}).exists():
                pathlib.Path({inside!r}).touch()
                subprocess.run(["sleep", "600"], env={{**os.environ, "CREW_CONTROLLER": {name!r}}})
            return super().launch(request)

    controller = crew.controller(Held(), name={name!r}, processes=2)
    assert controller.submit(abs, -1).result(90) == 1
    if os.fork() == 0:
        print("child", os.getpid(), flush=True)
        time.sleep(600)
    pathlib.Path({hold!r}).touch()
    controller.launch()
    time.sleep(600)
"""


def test_daemons_end_with_their_user_even_amid_a_launch(
    tmp_path: Path, controller_name: str, survivors: Survivors
) -> None:
    hold, inside = tmp_path / "hold", tmp_path / "inside"
    text = USER.format(hold=str(hold), inside=str(inside), name=controller_name)
    user = subprocess.Popen([sys.executable, "-c", textwrap.dedent(text)], stdout=subprocess.PIPE)
    assert user.stdout is not None
    child = psutil.Process(int(user.stdout.readline().split()[1]))
    try:
        wait_until(inside.exists)
        user.kill()
        user.wait()
        assert child.is_running()
        assert survivors() == []
    finally:
        child.kill()
        user.kill()
        user.communicate()


def test_secrets_are_in_no_command_line(scene: Scene) -> None:
    with scene.controller() as controller:
        assert controller.submit(abs, -1).result(SECONDS) == 1
        for pid in scene.daemons():
            daemon = psutil.Process(pid)
            assert "hush" not in " ".join([*daemon.cmdline(), *daemon.environ().values()])


# ── Waiters ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("processes", [None, 1])
def test_who_waits_is_told_when_the_last_worker_leaves_after_launching_stopped(
    scene: Scene, processes: int | None
) -> None:
    with scene.controller(processes=processes, workers=2, crashes_max=1000) as controller:
        handle = controller.push("import time; time.sleep(600)")
        wait_until(lambda: states(controller) == ["online"])
        wait_for_jobs(controller)
        scene.say("refuse")
        controller.push("import time; time.sleep(600)")
        wait_for_stop(controller)
        with ThreadPoolExecutor(2) as threads:
            waiting = threads.submit(controller.wait)
            asking = threads.submit(handle.result)
            assert not waiting.done()
            worker = psutil.Process(int(controller.launcher.summary()["job"][0]))
            worker.kill()
            with pytest.raises(crew.LaunchError, match="no such queue"):
                waiting.result(SECONDS)
            with pytest.raises(crew.LaunchError, match="no such queue"):
                asking.result(SECONDS)


def gate_of_two(folder: str) -> int:
    """Returns once two tasks are in it at the same time."""
    Path(folder, f"in-{os.getpid()}").touch()
    inside = Path(folder)
    crew.retry(lambda: len(list(inside.glob("in-*"))) == 2, seconds_interval=0.01)
    return len(list(inside.glob("in-*")))


# ── Going on ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("processes", [None, 1])
def test_launching_goes_on_when_a_new_workers_first_task_is_done(
    scene: Scene, gate: Any, processes: int | None
) -> None:
    with scene.controller(processes=processes, workers=2) as controller:
        first = controller.push(gate.hold, (1,))
        gate.wait_for(1)
        scene.say("refuse")
        second = controller.push(abs, (-2,), throttle=False)
        wait_for_stop(controller)
        # The worker that is there takes tasks all the same; only asking for more is refused.
        third = controller.push(abs, (-3,), throttle=False)
        with pytest.raises(crew.LaunchError, match="no such queue"):
            controller.scale()
        scene.unsay("refuse")
        gate.open()
        assert [task.result(SECONDS) for task in (first, second, third)] == [1, 2, 3]
        assert len(controller.launcher.errors) == 1
        handles = [controller.push(gate_of_two, (str(scene.folder),)) for _ in range(2)]
        assert [handle.result(SECONDS) for handle in handles] == [2, 2]


def test_a_pop_whose_launch_is_refused_still_gives_its_record(scene: Scene, gate: Any) -> None:
    with scene.controller(processes=None, tasks_max=1) as controller:
        controller.push(gate.hold, (1,), name="first")
        controller.push(abs, (-2,), name="second")
        gate.wait_for(1)
        scene.say("refuse")
        gate.open()
        assert controller.wait("one", SECONDS)
        record = controller.pop(throttle=False)
        assert record is not None
        assert record.name == "first"
        with pytest.raises(crew.LaunchError, match="no such queue"):
            controller.wait()
        assert controller.size == 1


def test_finished_tasks_of_old_workers_do_not_repeat_what_was_refused(
    scene: Scene, gate: Any
) -> None:
    with scene.controller(processes=1, workers=2, seconds_interval=0.01) as controller:
        assert controller.submit(abs, -1).result(SECONDS) == 1
        scene.say("refuse")
        held = [controller.submit(gate.hold, x) for x in range(2)]
        wait_for_stop(controller)
        gate.open()
        assert [task.result(SECONDS) for task in held] == [0, 1]
        for _ in range(5):
            controller.map("x", {"x": range(4)})
        assert len(controller.launcher.errors) == 1
