"""What people do at a prompt."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def crew(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "crew_core", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_script_is_shown(tmp_path: Path) -> None:
    (tmp_path / "crew.toml").write_text(
        "[controllers.cpu]\nlauncher = 'slurm'\npartition = 'short'\ncpus_per_task = [1, 2]\n"
    )
    shown = crew("script", "cpu", "3", folder=tmp_path)
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert lines[0] == "#!/bin/bash"
    assert "#SBATCH --partition=short" in lines
    assert "#SBATCH --cpus-per-task=1" in lines
    assert "#SBATCH --array=1-3" in lines


def test_an_impossible_option_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "crew.toml").write_text(
        "[controllers.cpu]\nlauncher = 'slurm'\npartition = 'two words'\n"
    )
    shown = crew("script", "cpu", folder=tmp_path)
    assert shown.returncode == 2
    assert "partition='two words'" in shown.stderr
    assert len(shown.stderr.splitlines()) == 1
