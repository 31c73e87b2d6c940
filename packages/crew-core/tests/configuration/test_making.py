"""A name and flat keywords become a launcher and groups of options."""

from __future__ import annotations

from pathlib import Path

import pytest

from crew_core._controller.making import controller, monitor, resolve
from crew_core._launcher.local import LocalLauncher
from crew_core._launcher.local_monitor import LocalMonitor
from crew_core._model.errors import ConfigError, PluginNotFoundError
from crew_core._model.options import ScalingOptions
from crew_core.testing import FakeLauncher

FAKE = "crew_core.testing:FakeLauncher"


def test_launcher_by_name_knows_its_name(project: Path) -> None:
    launcher, groups = resolve("local", {"workers": 2})
    assert isinstance(launcher, LocalLauncher)
    assert launcher.name == "local"
    assert groups.scaling == ScalingOptions(workers=2)
    assert groups.client.name is None


def test_launcher_gets_its_own_options(project: Path) -> None:
    launcher, _ = resolve(FAKE, {"failures": 2, "workers": 1})
    assert launcher.options == FakeLauncher.Options(failures=2)


def test_launcher_object_is_taken_as_it_is(project: Path) -> None:
    fake = FakeLauncher(FakeLauncher.Options(failures=1))
    launcher, groups = resolve(fake, {"workers": 4})
    assert launcher is fake
    assert groups.scaling.workers == 4
    with pytest.raises(ConfigError, match="unknown option 'failures'"):
        resolve(fake, {"failures": 2})


@pytest.mark.parametrize("which", [5, None, FakeLauncher])
def test_what_is_neither_name_nor_launcher_is_refused(project: Path, which: object) -> None:
    with pytest.raises(TypeError, match="must be a name or a Launcher object"):
        resolve(which, {})


def test_configured_name_wins_over_a_launchers_and_names_the_controller(project: Path) -> None:
    text = f'[controllers.local]\nlauncher = "{FAKE}"\nworkers = 7\nfailures = 3\n'
    (project / "crew.toml").write_text(text)
    launcher, groups = resolve("local", {})
    assert isinstance(launcher, FakeLauncher)
    assert launcher.options.failures == 3
    assert groups.client.name == "local"
    assert groups.scaling.workers == 7


def test_keywords_win_over_the_configuration(project: Path) -> None:
    (project / "crew.toml").write_text('[controllers.a]\nlauncher = "local"\nworkers = 7\n')
    _, groups = resolve("a", {"workers": 2, "name": "b"})
    assert groups.scaling.workers == 2
    assert groups.client.name == "b"


@pytest.mark.parametrize(
    ("line", "kind", "said"),
    [
        ("wrokers = 2", ConfigError, "unknown option 'wrokers'"),
        ("workers = 0", ConfigError, "workers=0"),
        ('workers = "2"', TypeError, "workers='2'"),
    ],
)
def test_mistake_in_a_file_is_told_with_the_file(
    project: Path, line: str, kind: type[Exception], said: str
) -> None:
    (project / "crew.toml").write_text(f'[controllers.a]\nlauncher = "local"\n{line}\n')
    with pytest.raises(kind, match=r"controller 'a' of .*crew\.toml: " + said):
        resolve("a", {})


def test_unknown_name_suggests_a_configured_one(project: Path) -> None:
    (project / "crew.toml").write_text('[controllers.biggpu]\nlauncher = "local"\n')
    with pytest.raises(PluginNotFoundError, match="Did you mean 'biggpu'"):
        resolve("bigpu", {})


def test_controller_is_made_but_not_started(project: Path) -> None:
    made = controller(FAKE, name="mine", workers=3)
    assert made.name == "mine"
    assert not made.started
    launcher = made.launcher
    assert isinstance(launcher, FakeLauncher)
    assert launcher.requests == []


def test_unknown_option_is_refused_at_the_call(project: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'workers'"):
        controller("local", worker=2)


def test_monitor_by_name(project: Path) -> None:
    assert isinstance(monitor("local"), LocalMonitor)
    assert isinstance(monitor(), LocalMonitor)
    with pytest.raises(ConfigError, match="unknown option 'queue'"):
        monitor("local", queue="x")
    with pytest.raises(PluginNotFoundError, match="no monitor 'lokal'"):
        monitor("lokal")
    with pytest.raises(TypeError, match="must be a monitor's name"):
        monitor(5)  # type: ignore[call-overload]
