"""The launcher with a login node: files there, jobs as ever, and when it hangs up."""

from __future__ import annotations

from pathlib import Path

import pytest

from crew_cluster._slurm.launcher import SlurmLauncher
from crew_cluster._slurm.options import SlurmOptions
from crew_core.plugins import ConfigError
from scripted.login import Login
from scripted.requests import request

ADDRESS = "scripted.login:Login://login"


@pytest.fixture
def launcher(tmp_path: Path) -> SlurmLauncher:
    Login.closed = 0
    return SlurmLauncher(SlurmOptions(via={"address": ADDRESS, "home": str(tmp_path)}))


def test_files_of_jobs_are_kept_there(launcher: SlurmLauncher, tmp_path: Path) -> None:
    handles = launcher.launch(request(2))
    folder = Path(handles[0].folder)
    assert folder.parent == tmp_path / ".local" / "state" / "crew" / "scripts"
    assert [launcher.job(handle) for handle in handles] == ["17_1", "17_2"]
    assert sorted(path.name for path in folder.iterdir()) == ["1", "2", "job.json", "script.sh"]


def test_jobs_of_an_earlier_session_are_found_there(
    launcher: SlurmLauncher, tmp_path: Path
) -> None:
    (handle,) = launcher.launch(request(1))
    again = SlurmLauncher(launcher.options)
    assert again.find(["crew-c-i1"]) == [handle]


def test_it_hangs_up_with_its_last_job(launcher: SlurmLauncher) -> None:
    handles = launcher.launch(request(2))
    launcher.terminate(handles[:1])
    assert Login.closed == 0, "the other may need it"
    launcher.terminate(handles[1:])
    assert Login.closed == 1
    assert not Path(handles[0].folder).exists()


def test_what_is_asked_of_the_way_is_checked_at_once() -> None:
    for via in ("login.cluster", "://login", {"home": "/"}, {"address": 3}):
        with pytest.raises(ConfigError, match="via="):
            SlurmLauncher(SlurmOptions(via=via))
    with pytest.raises(ConfigError, match="no_such"):
        SlurmLauncher(SlurmOptions(via={"address": ADDRESS, "no_such": 1}))
    with pytest.raises(TypeError, match="via="):
        SlurmLauncher(SlurmOptions(via=3))  # type: ignore[arg-type]
