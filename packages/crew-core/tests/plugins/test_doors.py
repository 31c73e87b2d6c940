"""The public doors say what they have, have what they say, and cost little to open."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

import crew_core
import crew_core.plugins
import crew_core.testing
from crew_core.plugins import JobState, LaunchError, LaunchRequest, WorkerLaunch
from crew_core.testing import FakeLauncher


@pytest.mark.parametrize("door", ["crew_core", "crew_core.plugins", "crew_core.testing"])
def test_names_are_all_there_and_named_once(door: str) -> None:
    module = import_module(door)
    assert len(module.__all__) == len(set(module.__all__))
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in dir(module)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'controler'"):
        _ = crew_core.controler


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return set(answer.stdout.split())


def test_importing_crew_imports_nothing_else_of_it() -> None:
    ours = {name for name in modules_after("import crew_core") if name.startswith("crew_core")}
    assert ours == {"crew_core"}


def test_door_of_plugins_imports_nothing_heavy() -> None:
    loaded = modules_after("import crew_core.plugins")
    assert not {"pandas", "numpy", "psutil", "cloudpickle", "click"} & loaded
    assert not {name for name in loaded if name.startswith("crew_core._controller")}


def request(*instances: str) -> LaunchRequest:
    workers = tuple(
        WorkerLaunch(worker=i, instance=name, name=f"crew-c-{name}", argv=("true",))
        for i, name in enumerate(instances, 1)
    )
    return LaunchRequest(controller="c", launcher="fake", workers=workers)


def test_fake_launcher_remembers_and_plays_a_platform() -> None:
    fake = FakeLauncher()
    handles = fake.launch(request("a", "b"))
    assert handles == fake.launched == ["a", "b"]
    fake.states["a"] = JobState.RUNNING
    assert fake.poll(handles) == [JobState.RUNNING, JobState.PENDING]
    fake.states["b"] = JobState.FINISHED
    fake.terminate(handles)
    assert fake.poll(handles) == [JobState.CANCELLED, JobState.FINISHED]
    fake.outputs["a"] = "hello"
    assert (fake.logs("a"), fake.logs("b")) == ("hello", None)


def test_fake_launcher_refuses_as_often_as_told() -> None:
    fake = FakeLauncher(FakeLauncher.Options(failures=2, transient=False))
    for _ in range(2):
        with pytest.raises(LaunchError) as caught:
            fake.launch(request("a"))
        assert not caught.value.transient
    assert fake.launch(request("b")) == ["b"]
    assert len(fake.requests) == 3
