"""The launcher with programs that answer in SLURM's place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crew_cluster._slurm.launcher import SlurmLauncher
from crew_cluster._slurm.options import SlurmOptions
from crew_core.plugins import LaunchError
from scripted.requests import request


def program(folder: Path, name: str, text: str) -> Path:
    """A program that does this."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return path


def launcher(tmp_path: Path, **programs: str) -> SlurmLauncher:
    given: dict[str, Any] = {
        option: program(tmp_path, option, text) for option, text in programs.items()
    }
    return SlurmLauncher(SlurmOptions(script_directory=tmp_path / "scripts", **given))


def test_what_was_launched_is_found_by_name(tmp_path: Path) -> None:
    ours = launcher(tmp_path, command_submit="echo 17")
    handles = ours.launch(request())
    names = [worker.name for worker in request().workers]
    assert launcher(tmp_path).find([*names, "crew-c-unknown"]) == handles


def test_what_nobody_was_told_of_is_found_by_name(tmp_path: Path) -> None:
    """As when the user's process was killed before it knew the id."""
    ours = launcher(tmp_path, command_submit="echo 17")
    ours.launch(request())
    record = tmp_path / "scripts" / "crew-c-i1" / "job.json"
    record.write_text(record.read_text().replace('"17"', "null"))
    heir = launcher(tmp_path, command_list="echo '17|crew-c-i1'")
    assert [handle.job for handle in heir.find(["crew-c-i1"])] == ["17"]


def test_what_was_never_taken_is_not_found(tmp_path: Path) -> None:
    ours = launcher(tmp_path, command_submit="echo 17")
    ours.launch(request())
    record = tmp_path / "scripts" / "crew-c-i1" / "job.json"
    record.write_text(record.read_text().replace('"17"', "null"))
    assert launcher(tmp_path, command_list="true").find(["crew-c-i1"]) == []


def test_what_cannot_be_cancelled_cannot_start_either(tmp_path: Path) -> None:
    words = "scancel: error: Unable to contact slurm controller"
    ours = launcher(
        tmp_path, command_submit="echo 17", command_terminate=f"echo '{words}' >&2; exit 1"
    )
    handles = ours.launch(request())
    with pytest.raises(LaunchError, match="Unable to contact slurm controller"):
        ours.terminate(handles)
    assert not (tmp_path / "scripts" / "crew-c-i1" / "1").exists()


def test_a_scheduler_that_cannot_be_asked_is_no_news(tmp_path: Path) -> None:
    ours = launcher(tmp_path, command_submit="echo 17", command_list="exit 1")
    (handle,) = ours.launch(request())
    (report,) = launcher(tmp_path, command_list="exit 1").poll([handle])
    assert report.state.value == "unknown"


def test_what_is_printed_is_shown_to_who_asks_for_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    submit = program(tmp_path, "sbatch", "echo 'you have 3 hours left' >&2; echo 17")
    options = SlurmOptions(
        command_submit=submit, script_directory=tmp_path / "scripts", verbose=True
    )
    with caplog.at_level("INFO", logger="crew"):
        SlurmLauncher(options).launch(request())
    assert "you have 3 hours left" in caplog.text


def test_a_template_that_has_gone_since_is_told(tmp_path: Path) -> None:
    template = tmp_path / "job.sh"
    template.write_text("#!/bin/bash\n{{ directives }}\n{{ worker }}\n")
    options = SlurmOptions(template=template, script_directory=tmp_path / "scripts")
    ours = SlurmLauncher(options)
    template.unlink()
    with pytest.raises(Exception, match="cannot be read"):
        ours.launch(request())
    assert list((tmp_path / "scripts").iterdir()) == []
