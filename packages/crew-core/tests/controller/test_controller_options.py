"""``crew.controller`` takes flat keywords, and the names of controllers in crew.toml."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew

Make = Callable[..., crew.Controller]

SECONDS = 90


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("worker", "workers"),
        ("second_idle", "seconds_idle"),
        ("crash_max", "crashes_max"),
        ("task_max", "tasks_max"),
        ("reset_global", "reset_globals"),
        ("log_dir", "log_directory"),
    ],
)
def test_an_unknown_option_is_named_with_the_nearest_valid_one(wrong: str, right: str) -> None:
    with pytest.raises(crew.ConfigError, match=f"'{wrong}'.*Did you mean '{right}'"):
        crew.controller("local", **{wrong: 1})


def test_an_option_like_no_other_is_named_too() -> None:
    with pytest.raises(crew.ConfigError, match=r"'zzz'.*Valid options:.*workers"):
        crew.controller("local", zzz=1)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"workers": 0}, crew.ConfigError),
        ({"workers": 1.5}, TypeError),
        ({"workers": "2"}, TypeError),
        ({"workers": True}, TypeError),
        ({"seconds_idle": 0}, crew.ConfigError),
        ({"seconds_idle": -1}, crew.ConfigError),
        ({"seconds_idle": "10"}, TypeError),
        ({"seconds_interval": float("inf")}, crew.ConfigError),
        ({"seconds_wall": float("nan")}, crew.ConfigError),
        ({"seconds_heartbeat": 0}, crew.ConfigError),
        ({"tasks_max": 0}, crew.ConfigError),
        ({"tasks_max": 1.5}, crew.ConfigError),
        ({"tasks_timers": -1}, crew.ConfigError),
        ({"crashes_max": -1}, crew.ConfigError),
        ({"launch_max": 0}, crew.ConfigError),
        ({"processes": 0}, crew.ConfigError),
        ({"processes": 1.0}, TypeError),
        ({"retry_tasks": 1}, TypeError),
        ({"reset_globals": "yes"}, TypeError),
        ({"name": ""}, crew.ConfigError),
        ({"name": "a/b"}, crew.ConfigError),
        ({"name": 7}, TypeError),
        ({"seed": -1}, crew.ConfigError),
        ({"seed": "1"}, TypeError),
        ({"log_directory": 7}, TypeError),
        ({"log_resources": ""}, crew.ConfigError),
    ],
)
def test_an_impossible_option_is_named_at_once(
    options: dict[str, Any], kind: type[Exception]
) -> None:
    (name,) = options
    with pytest.raises(kind, match=f"{name}="):
        crew.controller("local", **options)


def test_an_unknown_launcher_suggests_the_nearest() -> None:
    with pytest.raises(crew.PluginNotFoundError, match="Did you mean 'local'"):
        crew.controller("locl")


def test_a_name_is_made_up_when_none_is_given() -> None:
    assert crew.controller().name != crew.controller().name
    assert crew.controller(name="mine").name == "mine"


def test_a_controller_is_not_started_by_making_it() -> None:
    controller = crew.controller("local", workers=3)
    assert not controller.started
    assert controller.launcher.name == "local"


def test_parts_can_be_composed(state_home: Path) -> None:
    launcher = crew.controller("local").launcher
    controller = crew.Controller(
        launcher,
        client=crew.ClientOptions(name="composed"),
        worker=crew.WorkerOptions(seconds_idle=10),
        scaling=crew.ScalingOptions(workers=1),
        retry=crew.RetryOptions(crashes_max=1),
        log=crew.LogOptions(),
    )
    with controller:
        assert controller.push("1 + 1").result(SECONDS) == 2
    assert controller.name == "composed"


def test_a_controller_of_crew_toml_by_name(project: Path, make: Make, state_home: Path) -> None:
    (project.parent / "crew.toml").write_text(
        "[controllers.cpu]\n"
        'launcher = "local"\n'
        "workers = 2\n"
        "tasks_max = 1\n"
        f"log_directory = '{project / 'logs'}'\n"
    )
    controller = crew.controller("cpu", workers=1)
    assert controller.name == "cpu"
    with controller:
        first, second = (controller.push(os.getpid) for _ in range(2))
        assert first.result(SECONDS) != second.result(SECONDS)  # tasks_max
        assert first.record is not None
        assert Path(str(first.record.log)).parent == project / "logs"
        assert (first.record.controller, first.record.launcher) == ("cpu", "local")
        assert controller.launcher.summary()["worker"].tolist() == [1]  # the keyword won


def test_an_error_in_crew_toml_names_the_file(project: Path) -> None:
    (project / "crew.toml").write_text('[controllers.cpu]\nlauncher = "local"\nworker = 2\n')
    with pytest.raises(crew.ConfigError, match=r"'cpu' of .*crew\.toml.*Did you mean 'workers'"):
        crew.controller("cpu")


def test_a_misspelt_controller_suggests_the_nearest(project: Path) -> None:
    (project / "crew.toml").write_text('[controllers.cluster]\nlauncher = "local"\n')
    with pytest.raises(crew.PluginNotFoundError, match="'cluster'"):
        crew.controller("clutser")
