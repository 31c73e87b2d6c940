"""A launcher needs one method; all else has defaults that do no harm."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest

from crew_core._launcher.base import SUMMARY_COLUMNS, Launcher
from crew_core._launcher.command import job_name, worker_command, worker_environment
from crew_core._launcher.request import LaunchRequest, WorkerLaunch
from crew_core._model.errors import LaunchError
from crew_core._model.states import JobState


class Smallest(Launcher):
    def launch(self, request: LaunchRequest) -> list[Any]:
        return [worker.instance for worker in request.workers]


class WithOptions(Smallest):
    @dataclass(frozen=True, kw_only=True)
    class Options:
        queue: str = "short"


class Careless(Smallest):
    def __init__(self) -> None:
        pass


class Desk:
    """A controller's roster, as a launcher sees it."""

    def __init__(self) -> None:
        self.resets = 0

    @property
    def errors(self) -> Sequence[LaunchError]:
        return [LaunchError(str(i)) for i in range(150)]

    def summary(self) -> pd.DataFrame:
        return pd.DataFrame({"worker": [1]})

    def reset(self) -> None:
        self.resets += 1

    def call(self) -> str:
        return "python -m crew_core._worker"


def test_launcher_without_launch_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="launch"):
        Launcher()  # type: ignore[abstract]


def test_defaults_of_optional_methods() -> None:
    launcher = Smallest()
    launcher.terminate([1, 2])
    assert launcher.poll([1, 2]) == [JobState.UNKNOWN, JobState.UNKNOWN]
    assert launcher.logs(1) is None
    assert launcher.job(17) == "17"
    assert launcher.name == "smallest"
    assert launcher.options == Smallest.Options()


def test_options_default_to_the_class_own() -> None:
    assert WithOptions().options.queue == "short"
    assert WithOptions(WithOptions.Options(queue="long")).options.queue == "long"
    assert Careless().options == Careless.Options()


def test_options_of_another_kind_are_refused() -> None:
    with pytest.raises(TypeError, match=r"must be WithOptions\.Options or None, not dict"):
        WithOptions({"queue": "long"})


def test_without_a_controller_reports_are_empty() -> None:
    launcher = Smallest()
    summary = launcher.summary()
    assert summary.empty
    assert tuple(summary.columns) == SUMMARY_COLUMNS
    assert launcher.errors == []
    launcher.reset()
    assert "crew_core._worker" in launcher.call()


def test_reports_come_from_the_controllers_desk() -> None:
    launcher, desk = Smallest(), Desk()
    launcher._attach(desk)
    launcher.reset()
    assert desk.resets == 1
    assert list(launcher.summary()["worker"]) == [1]
    assert launcher.call() == "python -m crew_core._worker"
    assert [str(error) for error in launcher.errors] == [str(i) for i in range(50, 150)]


def test_secret_does_not_show_in_a_repr_or_a_command_line() -> None:
    worker = WorkerLaunch(
        worker=1,
        instance="i",
        name=job_name("c", "i"),
        argv=worker_command("python", "unix:///d/workers.sock", "i", "c", log="l", grace=30),
        env=worker_environment("very-secret", ["/lib"]),
    )
    request = LaunchRequest(controller="c", launcher="x", workers=(worker,))
    assert "very-secret" not in repr(worker) + repr(request) + str([worker]) + f"{request}"
    assert "CREW_SECRET" in repr(worker)
    assert pickle.loads(pickle.dumps(request)) == request


def test_command_line_of_a_worker() -> None:
    plain = worker_command("/bin/python", "unix:///d/workers.sock", "i1", "c")
    assert plain == (
        *("/bin/python", "-m", "crew_core._worker", "--controller", "c"),
        *("--instance", "i1", "--url", "unix:///d/workers.sock"),
    )
    assert worker_command("p", "u", "i", "c", log="/l", grace=2.5)[-4:] == (
        *("--log", "/l"),
        *("--grace", "2.5"),
    )


def test_environment_of_a_worker() -> None:
    assert worker_environment("s") == {"CREW_SECRET": "s", "PYTHONSAFEPATH": "1"}
    assert worker_environment("s", ["", "/a"])["CREW_SYS_PATH"] == "\n/a\n"


def test_job_name_carries_the_prefix_that_left_overs_are_found_by() -> None:
    assert job_name("mine", "abc") == "crew-mine-abc"
