"""Launches: no more than are needed, none for ever, and all of them accounted for."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

import crew_core as crew
from crew_core._launcher.local import LocalLauncher
from crew_core.plugins import JobState, Launcher, LaunchRequest
from crew_core.testing import FakeLauncher

SECONDS = 60

Survivors = Callable[[], "list[Any]"]


SECONDS_LAUNCH = 10
"""Enough for those that start, on a busy machine."""


class Forgetful(LocalLauncher):
    """Says that it launched every second worker, and has not; later on it remembers."""

    @dataclass(frozen=True, kw_only=True)
    class Options:
        folder: str

    def launch(self, request: LaunchRequest) -> list[Any]:
        handles: list[Any] = []
        for worker in request.workers:
            number = len(list(Path(self.options.folder).iterdir()))
            Path(self.options.folder, worker.instance).touch()
            if number % 2 or number > 4:
                handles += super().launch(LaunchRequest(workers=(worker,)))
            else:
                handles.append(None)
        return handles

    def poll(self, handles: Sequence[Any]) -> list[JobState]:
        return [
            JobState.UNKNOWN if h is None else super(Forgetful, self).poll([h])[0] for h in handles
        ]

    def terminate(self, handles: Sequence[Any]) -> None:
        super().terminate([handle for handle in handles if handle is not None])


@pytest.mark.parametrize("processes", [None, 2])
def test_launches_that_silently_do_nothing_are_made_up_for(
    tmp_path: Path, controller_name: str, processes: int | None
) -> None:
    launcher = Forgetful(Forgetful.Options(folder=str(tmp_path)))
    with crew.controller(
        launcher,
        name=controller_name,
        workers=4,
        tasks_max=1,
        seconds_launch=SECONDS_LAUNCH,
        launch_max=100,
        processes=processes,
    ) as controller:
        table = controller.map("x", {"x": range(7)})
        assert table["result"].tolist() == list(range(7))
        assert set(table["attempts"]) == {1}
        errors = controller.launcher.errors
        assert errors
        why = f"did not connect within seconds_launch={SECONDS_LAUNCH}"
        assert all(why in str(error) for error in errors)
        summary = controller.launcher.summary()
        assert summary["launches"].sum() >= 7 + len(errors)


class Late(Launcher):
    """Its workers start after they were given up, and it cannot end them."""

    seconds_launch_default: ClassVar[float] = 0.1

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.started: list[subprocess.Popen[bytes]] = []
        self.given_up = threading.Event()

    def launch(self, request: LaunchRequest) -> list[int]:
        held = ["sh", "-c", 'read line; exec "$@"', "sh"]
        new = [
            subprocess.Popen([*held, *w.argv], env={**os.environ, **w.env}, stdin=subprocess.PIPE)
            for w in request.workers
        ]
        self.started += new
        return [process.pid for process in new]

    def let_go(self) -> None:
        for process in self.started:
            process.communicate(b"go\n", SECONDS)


def test_a_slow_start_and_a_short_limit_do_not_launch_more_and_more(
    controller_name: str, survivors: Survivors
) -> None:
    launcher = Late()
    with crew.controller(launcher, name=controller_name, workers=2, launch_max=4) as controller:
        controller.walk("x", {"x": range(2)})
        with pytest.raises(crew.LaunchError, match="4 launches in a row were futile"):
            controller.wait()
        assert len(launcher.started) == 4
        assert len(controller.launcher.errors) == 4
        launcher.let_go()  # they come all the same, and are sent away
        assert controller.client.summary()["online"].sum() == 0
        assert not controller.launcher.summary()["online"].any()
        assert controller.unresolved == 2
        assert len(launcher.started) == 4
    assert survivors() == []


def test_pending_launches_are_cancelled_when_the_controller_terminates(
    controller_name: str,
) -> None:
    launcher = FakeLauncher()
    with crew.controller(launcher, name=controller_name, workers=3) as controller:
        controller.walk("x", {"x": range(3)})
        controller.scale()
        crew.retry(lambda: len(launcher.launched) == 3, seconds_interval=0.01)
    assert sorted(launcher.terminated) == sorted(launcher.launched)


def test_a_terminated_controller_launches_nothing_more(controller_name: str) -> None:
    launcher = FakeLauncher()
    controller = crew.controller(launcher, name=controller_name, workers=3, seconds_interval=0.01)
    controller.autoscale()
    controller.push(abs, (1,))
    controller.terminate()
    launched = len(launcher.requests)
    assert "crew-scale" not in {thread.name for thread in threading.enumerate()}
    assert len(launcher.requests) == launched
