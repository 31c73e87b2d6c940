"""Controllers and workers start and end, once or often, one or many, and never more than asked."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest

import crew_core as crew
from crew_core._launcher.local import LocalLauncher
from crew_core.plugins import Launcher, LaunchRequest

Survivors = Callable[[], "list[psutil.Process]"]

SECONDS = 60


def online(controller: crew.Controller) -> int:
    """How many workers are connected."""
    return int(controller.launcher.summary()["online"].sum())


def launches(controller: crew.Controller) -> int:
    """How many were launched since the start."""
    return int(controller.launcher.summary()["launches"].sum())


def started(controller: crew.Controller) -> bool:
    """A call, as mypy takes a property for a constant."""
    return controller.started


def double(x: int) -> int:
    return 2 * x


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def wait_for(path: Path) -> None:
    """As a task."""
    crew.retry(path.exists, seconds_interval=0.01)


def wait_until(condition: Callable[[], bool]) -> None:
    crew.retry(condition, seconds_interval=0.02, seconds_timeout=SECONDS)


# ── A controller's life ────────────────────────────────────────────────────────────────────────


def test_start_and_terminate_may_be_repeated(
    controller_name: str, runtime: Path, survivors: Survivors
) -> None:
    controller = crew.controller("local", name=controller_name)
    controller.terminate()  # before the first start
    assert not started(controller)
    controller.start()
    dispatcher = controller.client.pid
    controller.start()
    assert started(controller)
    assert controller.client.pid == dispatcher
    controller.terminate()
    assert not started(controller)
    assert survivors() == []
    assert list(runtime.glob("crew/*")) == []
    controller.terminate()
    assert not started(controller)


def test_use_after_terminate_starts_afresh(
    controller_name: str, runtime: Path, survivors: Survivors
) -> None:
    controller = crew.controller("local", name=controller_name)
    pids = set()
    for _ in range(3):
        assert (controller.size, controller.pushed, controller.popped) == (0, 0, 0)
        controller.push("1 + 1", name="a")  # a name of the last life is free again
        controller.push(time.sleep, (600,), name="unfinished")
        assert controller.wait("one", seconds_timeout=SECONDS)
        record = controller.pop()
        assert record is not None
        assert record.result == 2
        pids.add(controller.client.pid)
        controller.terminate()
        assert survivors() == []
    assert len(pids) == 3
    assert list(runtime.glob("crew/*")) == []


def test_with_may_be_entered_again(controller_name: str) -> None:
    controller = crew.controller("local", name=controller_name)
    for i in range(2):
        with controller as same:
            assert same is controller
            assert controller.submit(abs, -i).result(SECONDS) == i
        assert not started(controller)


class Call:
    """A call that waits for something, in a thread of its own."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self._thread: int | None = None

    def __call__(self) -> object:
        self._thread = threading.get_ident()
        return self._function()

    @property
    def waits(self) -> bool:
        """True once its thread is in one of the standard library's waits."""
        frame = sys._current_frames().get(self._thread or 0)
        return frame is not None and frame.f_code.co_filename == threading.__file__


def test_terminate_tells_who_waits(controller_name: str, survivors: Survivors) -> None:
    controller = crew.controller("local", name=controller_name)
    with controller, ThreadPoolExecutor(2) as threads:
        handle = controller.push(time.sleep, (600,), name="never")
        calls = [Call(controller.wait), Call(handle.result)]
        waiting: list[Future[object]] = [threads.submit(call) for call in calls]
        wait_until(lambda: online(controller) == 1)
        wait_until(lambda: all(call.waits for call in calls))
        controller.terminate()
        for future in waiting:
            with pytest.raises(crew.CrewError, match="was terminated before the task ended"):
                future.result(SECONDS)
    assert survivors() == []


class Interrupted(LocalLauncher):
    """The user presses Ctrl-C while it ends the workers, once."""

    interrupts = 1

    def terminate(self, handles: Sequence[Any]) -> None:
        if self.interrupts:
            self.interrupts -= 1
            raise KeyboardInterrupt
        super().terminate(handles)


def test_terminate_that_was_interrupted_is_finished_by_the_next(
    controller_name: str, runtime: Path, survivors: Survivors
) -> None:
    controller = crew.controller(Interrupted(), name=controller_name)
    controller.push(time.sleep, (600,))
    wait_until(lambda: online(controller) == 1)
    with pytest.raises(KeyboardInterrupt):
        controller.terminate()
    assert started(controller)
    with pytest.raises(crew.CrewError, match="was terminated"):
        controller.push(abs, (1,))
    controller.terminate()
    assert not started(controller)
    assert survivors() == []
    assert list(runtime.glob("crew/*")) == []
    assert controller.submit(abs, -1).result(SECONDS) == 1
    controller.terminate()


def test_callback_that_terminate_runs_cannot_start_the_controller_again(
    controller_name: str, survivors: Survivors
) -> None:
    refused: list[BaseException] = []

    def try_again(_: object) -> None:
        controller.terminate()
        try:
            controller.submit(abs, 1)
        except crew.CrewError as error:
            refused.append(error)

    with crew.controller("local", name=controller_name) as controller:
        controller.submit(time.sleep, 600).add_done_callback(try_again)
        wait_until(lambda: online(controller) == 1)
    assert len(refused) == 1
    assert not started(controller)
    assert survivors() == []


def test_two_controllers_at_once_do_not_meet(
    controller_name: str, runtime: Path, survivors: Survivors
) -> None:
    names = [f"{controller_name}-{i}" for i in range(2)]
    with (
        crew.controller("local", name=names[0]) as one,
        crew.controller("local", name=names[1]) as two,
    ):
        tasks = [(c, c.push(os.getenv, ("CREW_CONTROLLER",), name="same")) for c in (one, two)]
        assert [handle.result(SECONDS) for _, handle in tasks] == names
        assert len({handle.record.pid for _, handle in tasks if handle.record}) == 2
        one.terminate()
        assert two.submit(abs, -1).result(SECONDS) == 1
        assert [(c.size, c.started) for c in (one, two)] == [(0, False), (1, True)]
    assert survivors() == []
    assert list(runtime.glob("crew/*")) == []


def use_a_controller(name: str, ending: str) -> tuple[int, str | None]:
    """A task that has a controller of its own."""
    import crew_core as crew

    controller = crew.controller("local", name=name)
    result = controller.submit(abs, -5).result(30)
    who = controller.submit(os.getenv, "CREW_CONTROLLER").result(30)
    if ending == "terminate":
        controller.terminate()
    return result, who


@pytest.mark.parametrize("ending", ["terminate", "left open"])
def test_a_task_may_have_a_controller_of_its_own(
    controller_name: str, runtime: Path, survivors: Survivors, ending: str
) -> None:
    inner = f"{controller_name}-inner"
    with crew.controller("local", name=f"{controller_name}-outer") as controller:
        assert controller.submit(use_a_controller, inner, ending).result(SECONDS) == (5, inner)
        assert controller.submit(abs, -1).result(SECONDS) == 1
    assert survivors() == []
    if ending == "terminate":  # else its task was killed before it could tidy up
        assert list(runtime.glob("crew/*")) == []


# ── Threads ────────────────────────────────────────────────────────────────────────────────────


def test_many_threads_may_use_a_controller(controller_name: str, survivors: Survivors) -> None:
    popped: list[crew.Record] = []
    all_pushed = threading.Event()
    controller = crew.controller("local", name=controller_name, workers=2)

    def push(thread: int) -> None:
        # The first of them starts it.
        for i in range(100):
            controller.push(divmod, (100 * thread + i, 7), name=f"{thread}-{i}")

    def pop() -> None:
        while not (all_pushed.is_set() and controller.empty):
            controller.wait("one", seconds_timeout=0.1)
            if (record := controller.pop()) is not None:
                popped.append(record)

    def submit(thread: int) -> list[int]:
        return [controller.submit(abs, -i).result(SECONDS) for i in range(thread, 50)]

    with ThreadPoolExecutor(8) as threads:
        pushing = [threads.submit(push, thread) for thread in range(4)]
        submitting = [threads.submit(submit, thread) for thread in range(2)]
        popping = [threads.submit(pop) for _ in range(2)]
        for future in pushing:
            future.result(SECONDS)
        all_pushed.set()
        assert [future.result(SECONDS) for future in submitting] == [
            list(range(50)),
            list(range(1, 50)),
        ]
        for last in popping:
            last.result(SECONDS)
    assert sorted(r.result for r in popped) == [divmod(i, 7) for i in range(400)]
    assert (controller.pushed, controller.popped) == (400, 400)
    controller.terminate()
    assert survivors() == []


def test_terminate_under_the_feet_of_threads_leaves_no_call_hanging(
    controller_name: str, survivors: Survivors
) -> None:
    controller = crew.controller("local", name=controller_name, workers=2)
    over = threading.Event()
    done: list[int] = []

    def use() -> None:
        while not over.is_set():
            try:
                done.append(controller.submit(abs, -3).result(SECONDS))
            except crew.CrewError:  # terminated in the middle
                over.wait(0.01)

    with ThreadPoolExecutor(4) as threads:
        using = [threads.submit(use) for _ in range(4)]
        for _ in range(3):
            done.clear()
            wait_until(lambda: bool(done))
            controller.terminate()
        over.set()
        for future in using:
            future.result(SECONDS)
    assert set(done) == {3}
    controller.terminate()
    assert survivors() == []


# ── Launches that fail ─────────────────────────────────────────────────────────────────────────


class Moody(Launcher):
    """Starts workers as processes, as a third party would, once it is in the mood."""

    mood: ClassVar[str] = "good"
    seconds_launch_default: ClassVar[float] = 0.2

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.asked = 0
        self.started: list[subprocess.Popen[bytes]] = []

    def launch(self, request: LaunchRequest) -> list[int]:
        self.asked += 1
        if self.mood == "raises":
            raise OSError("the platform is closed")
        if self.mood == "nothing":
            return [0 for _ in request.workers]
        if self.mood == "too few":
            return []
        return [self._start(w.argv, w.env) for w in request.workers]

    def _start(self, argv: Sequence[str], env: Any) -> int:
        if self.mood == "exits":
            argv = [sys.executable, "-c", "exit(1)"]
        self.started.append(subprocess.Popen(argv, env={**os.environ, **env}))
        return self.started[-1].pid

    def improve(self) -> None:
        """From now on, launches work."""
        self.mood = "good"  # type: ignore[misc]  # its own from now on
        self.seconds_launch_default = 60.0  # type: ignore[misc]

    def reap(self) -> None:
        for process in self.started:
            process.wait(SECONDS)


class Nothing(Moody):
    mood = "nothing"


class Exits(Moody):
    mood = "exits"


class Raises(Moody):
    mood = "raises"


class TooFew(Moody):
    mood = "too few"


FUTILE = "2 launches in a row were futile"
PERMANENT = "defect of the launcher's plugin|must return one for each"


@pytest.mark.parametrize(
    ("kind", "message"),
    [(Nothing, FUTILE), (Exits, FUTILE), (Raises, PERMANENT), (TooFew, PERMANENT)],
)
def test_futile_launches_end_in_one_error_until_reset(
    controller_name: str, survivors: Survivors, kind: type[Moody], message: str
) -> None:
    launcher = kind()
    controller = crew.controller(
        launcher, name=controller_name, workers=1, launch_max=2, seconds_launch=None
    )
    with controller:
        handle = controller.push(abs, (-4,), name="patient")
        calls: list[Callable[[], object]] = [
            controller.wait,
            controller.pop,
            lambda: controller.push(abs, (1,)),
            lambda: controller.submit(abs, 1),
            lambda: controller.walk(double, {"x": [1]}),
        ]
        for call in calls:
            with pytest.raises(crew.LaunchError, match=message):
                call()
        asked = launcher.asked
        assert asked == (2 if message == FUTILE else 1)
        assert len(launcher.errors) == asked
        assert all(isinstance(error, crew.LaunchError) for error in launcher.errors)
        assert (controller.size, controller.unresolved, controller.pushed) == (1, 1, 1)
        assert not handle.done()

        launcher.improve()
        launcher.reset()
        assert controller.wait(seconds_timeout=SECONDS)
        record = controller.pop()
        assert record is not None
        assert (record.name, record.result, record.attempts) == ("patient", 4, 1)
        assert controller.submit(abs, -1).result(SECONDS) == 1
    launcher.reap()
    assert survivors() == []


def test_a_launch_that_fails_raises_where_it_is_asked_for(controller_name: str) -> None:
    launcher = Raises()
    with crew.controller(launcher, name=controller_name) as controller:
        controller.descale()
        with pytest.raises(crew.LaunchError, match="the platform is closed"):
            controller.launch()
        controller.push(abs, (1,)) if not controller.launcher.errors else None
        controller.launcher.reset()
        controller.push(abs, (1,))
        with pytest.raises(crew.LaunchError, match="the platform is closed"):
            controller.scale()


class Flaky(Moody):
    """Refuses now and then, as a busy scheduler does."""

    def launch(self, request: LaunchRequest) -> list[int]:
        if self.asked < 2:
            self.asked += 1
            raise crew.LaunchError("busy, try again", transient=True)
        return super().launch(request)


def test_transient_refusals_are_tried_again(controller_name: str, survivors: Survivors) -> None:
    launcher = Flaky()
    launcher.improve()
    with crew.controller(launcher, name=controller_name) as controller:
        assert controller.submit(abs, -2).result(SECONDS) == 2
        assert [str(error) for error in launcher.errors] == ["busy, try again"] * 2
        assert (launcher.asked, launches(controller)) == (3, 3)
    launcher.reap()
    assert survivors() == []


class Broken(Moody):
    """Launches, and is broken everywhere else."""

    def poll(self, handles: Sequence[int]) -> Any:
        raise RuntimeError("poll is broken")

    def terminate(self, handles: Sequence[int]) -> None:
        raise RuntimeError("terminate is broken")

    def logs(self, handle: int) -> str:
        raise RuntimeError("logs is broken")

    def job(self, handle: int) -> str:
        raise RuntimeError("job is broken")


class PollsTooFew(Moody):
    def poll(self, handles: Sequence[int]) -> list[Any]:
        return []


@pytest.mark.parametrize("kind", [Broken, PollsTooFew])
def test_a_plugin_that_is_broken_besides_launch_does_not_stop_the_controller(
    controller_name: str,
    survivors: Survivors,
    caplog: pytest.LogCaptureFixture,
    kind: type[Moody],
) -> None:
    launcher = kind()
    launcher.improve()
    options: dict[str, Any] = {"workers": 1, "tasks_max": 1}
    with (
        caplog.at_level(logging.WARNING, "crew"),
        crew.controller(launcher, name=controller_name, **options) as controller,
    ):
        # Each needs a worker of its own, and the launches go on.
        assert [controller.submit(abs, -i).result(SECONDS) for i in range(3)] == [0, 1, 2]
    said = [record.getMessage() for record in caplog.records]
    assert sum("failed in poll()" in text for text in said) == 1
    launcher.reap()
    assert survivors() == []


def test_a_launch_that_does_not_connect_in_time_is_given_up_and_ended(
    controller_name: str, survivors: Survivors
) -> None:
    sleepers: list[subprocess.Popen[bytes]] = []

    class Sleepy(Moody):
        seconds_launch_default = 1.0

        def launch(self, request: LaunchRequest) -> list[int]:
            self.asked += 1
            if self.asked > 1:
                self.improve()  # or the second might be given up on a busy machine
                return super().launch(request)
            argv = [sys.executable, "-c", "import time; time.sleep(600)"]
            sleepers.append(subprocess.Popen(argv))
            return [sleepers[0].pid]

        def terminate(self, handles: Sequence[int]) -> None:
            for process in sleepers:
                if process.pid in handles:
                    process.terminate()

    launcher = Sleepy()
    with crew.controller(launcher, name=controller_name) as controller:
        assert controller.submit(abs, -2).result(SECONDS) == 2
        assert launches(controller) == 2
        (error,) = launcher.errors
        assert "did not connect within seconds_launch=1" in str(error)
        assert sleepers[0].wait(SECONDS) != 0
    launcher.reap()
    assert survivors() == []


# ── Scaling ────────────────────────────────────────────────────────────────────────────────────


class Slow(Moody):
    """Its workers take their time before they even begin to start."""

    def _start(self, argv: Sequence[str], env: Any) -> int:
        return super()._start(["sh", "-c", 'sleep 1; exec "$@"', "sh", *argv], env)


def test_a_burst_of_pushes_launches_no_more_than_workers(
    controller_name: str, survivors: Survivors, gate: Any
) -> None:
    launcher = Slow()
    launcher.improve()
    with crew.controller(
        launcher, name=controller_name, workers=2, seconds_interval=0.01
    ) as controller:
        for i in range(200):
            controller.push(gate.hold, (i,), throttle=i % 2 == 0)
            if i % 50 == 0:
                controller.scale()
        # While there is work for both: who is not needed is given up before it has come.
        wait_until(lambda: online(controller) == 2)
        gate.open()
        assert controller.wait(seconds_timeout=SECONDS)
        assert launches(controller) == 2
        assert len(launcher.started) == 2
    launcher.reap()
    assert survivors() == []


def test_no_more_workers_are_launched_than_there_are_tasks(controller_name: str) -> None:
    with crew.controller("local", name=controller_name, workers=4) as controller:
        handles = [controller.push(time.sleep, (600,)) for _ in range(2)]
        wait_until(lambda: online(controller) == 2)
        assert launches(controller) == 2
        for handle in handles:
            handle.cancel()
        assert controller.wait(seconds_timeout=SECONDS)
        controller.collect()
        assert list(controller.map(double, {"x": [1, 2]})["result"]) == [2, 4]
        assert launches(controller) == 2
        assert not controller.saturated


def test_descale_holds_launches_back_until_scale_or_autoscale(controller_name: str) -> None:
    with crew.controller(
        "local", name=controller_name, workers=1, seconds_interval=0.01, tasks_max=1
    ) as controller:
        controller.descale()
        controller.push(abs, (-1,))
        assert not controller.wait(seconds_timeout=0.5)
        controller.pop()
        assert launches(controller) == 0

        assert controller.scale()  # once
        assert controller.wait(seconds_timeout=SECONDS)
        wait_until(lambda: online(controller) == 0)
        controller.push(abs, (-2,))
        assert not controller.wait(seconds_timeout=0.5)
        assert launches(controller) == 1

        controller.autoscale()
        assert controller.wait(seconds_timeout=SECONDS)
        controller.push(abs, (-3,))
        assert controller.wait(seconds_timeout=SECONDS)
        assert launches(controller) == 3
        assert not controller.scale()  # nothing is missing


def test_launch_may_exceed_workers_and_such_workers_stay(controller_name: str) -> None:
    with crew.controller("local", name=controller_name, workers=1) as controller:
        controller.launch(3)
        wait_until(lambda: online(controller) == 3)
        assert sorted(controller.launcher.summary()["worker"]) == [1, 2, 3]
        handles = controller.walk(sleep, {"seconds": [0.3] * 3})
        assert controller.wait(seconds_timeout=SECONDS)
        assert {handle.status for handle in handles.values()} == {"success"}
        workers = {handle.record.worker for handle in handles.values() if handle.record}
        assert len(workers) > 1
        assert (online(controller), launches(controller)) == (3, 3)


@pytest.mark.parametrize("n", [0, -1, 1.5, True])
def test_launch_of_no_number_of_workers_is_refused(controller_name: str, n: Any) -> None:
    controller = crew.controller("local", name=controller_name)
    with pytest.raises(crew.ConfigError, match="n must be a whole number"):
        controller.launch(n)
    assert not started(controller)


def test_idle_workers_leave_and_come_back_when_there_is_work(
    controller_name: str, tmp_path: Path
) -> None:
    with crew.controller("local", name=controller_name, workers=2, seconds_idle=0.2) as controller:
        pids = set()
        for life in range(1, 3):
            go = tmp_path / f"go-{life}"
            handles = controller.walk(wait_for, {"path": [go, go]})
            # Each has one, so that none is given up as not needed before it has come.
            wait_until(lambda: online(controller) == 2)
            go.touch()
            assert controller.wait(seconds_timeout=SECONDS)
            pids |= {handle.record.pid for handle in handles.values() if handle.record}
            controller.collect()
            wait_until(lambda: online(controller) == 0)
            assert launches(controller) == 2 * life
        assert len(pids) > 1
        assert set(controller.launcher.summary()["state"]) == {"exited"}
        workers = crew.monitor("local").workers()
        wait_until(
            lambda: not (crew.monitor("local").workers()["controller"] == controller_name).any()
        )
        assert list(workers.columns)[:2] == ["pid", "name"]


def test_workers_leave_after_tasks_max(controller_name: str) -> None:
    with crew.controller("local", name=controller_name, workers=1, tasks_max=2) as controller:
        handles = controller.walk(double, {"x": range(7)})
        assert controller.wait(seconds_timeout=SECONDS)
        records = [handle.record for handle in handles.values() if handle.record]
        by_instance: dict[str | None, int] = {}
        for record in records:
            by_instance[record.instance] = by_instance.get(record.instance, 0) + 1
        assert sorted(by_instance.values()) == [1, 2, 2, 2]
        assert {record.attempts for record in records} == {1}
        assert launches(controller) == 4


def test_workers_take_nothing_more_after_seconds_wall(controller_name: str) -> None:
    with crew.controller("local", name=controller_name, workers=1, seconds_wall=0.5) as controller:
        handles = controller.walk(sleep, {"seconds": [0.3] * 5})
        assert controller.wait(seconds_timeout=SECONDS)
        records = [handle.record for handle in handles.values() if handle.record]
        assert {record.status for record in records} == {"success"}
        assert {record.attempts for record in records} == {1}  # none was cut off
        assert 2 <= len({record.instance for record in records}) <= 5
        assert controller.crashes(records[0].name) == 0
