"""The files of a submission are private, and go when nobody needs them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from crew_cluster._cluster.folder import Folder, prune, scripts_directory
from crew_core.plugins import ConfigError, LaunchError


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "scripts" / "crew-c-i1")
    made.make(["secret-1", "secret-2", "secret-3"])
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_credentials_are_for_the_user_alone(folder: Folder) -> None:
    assert mode(folder.path) == 0o700
    assert [mode(path) for path in sorted(folder.path.iterdir())] == [0o600] * 3


def test_each_worker_has_its_own_secret(folder: Folder) -> None:
    for place in (1, 2, 3):
        text = (folder.path / str(place)).read_text()
        assert f"secret-{place}" in text
        assert text.count("secret-") == 1


def test_a_folder_that_is_there_is_not_used(folder: Folder) -> None:
    with pytest.raises(LaunchError, match="script_directory"):
        folder.make([""])


def test_withdrawn_workers_have_no_credentials(folder: Folder) -> None:
    folder.withdraw([1, 3])
    folder.withdraw([1])
    assert [path.name for path in folder.path.iterdir()] == ["2"]


def test_the_last_job_takes_the_folder_with_it(folder: Folder) -> None:
    folder.write_script("#!/bin/bash\n")
    folder.write_record({"job": "7"})
    for place in (1, 2):
        folder.tidy(place)
    assert folder.path.exists()
    folder.tidy(3)
    assert not folder.path.exists()


def test_output_stays_and_can_be_read(folder: Folder) -> None:
    (folder.path / "1.out").write_text("hello\n")
    (folder.path / "2.out").write_text("")
    for place in (1, 2, 3):
        folder.tidy(place)
    assert folder.output(1) == "hello\n"
    assert folder.output(2) is None


def test_what_jobs_have_told_goes_with_the_last_of_them(folder: Folder) -> None:
    for place in (1, 2, 3):
        (folder.path / f"{place}.told").write_text("17\n0\n")
    for place in (1, 2):
        folder.tidy(place)
    assert (folder.path / "1.told").exists()
    folder.tidy(3)
    assert not folder.path.exists()


def test_of_long_output_the_end_is_shown(folder: Folder) -> None:
    (folder.path / "1.out").write_text("x" * 1_000_000 + "the end")
    output = folder.output(1)
    assert output is not None
    assert output.endswith("the end")
    assert len(output) < 100_000


def test_old_folders_are_pruned(folder: Folder) -> None:
    other = folder.path.parent / "crew-c-new"
    other.mkdir()
    os.utime(folder.path, (0, 0))
    prune(folder.path.parent)
    assert [path.name for path in folder.path.parent.iterdir()] == ["crew-c-new"]


def test_links_are_not_followed_to_what_they_lead_to(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    (folder.path / "script.sh").symlink_to(tmp_path / "theirs")
    with pytest.raises(LaunchError):
        folder.write_script("ours")
    assert (tmp_path / "theirs").read_text() == "theirs"


def test_a_directory_that_breaks_a_line_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/tmp/a\n#SBATCH --wrap=b")
    with pytest.raises(ConfigError, match="script_directory"):
        scripts_directory(None)
