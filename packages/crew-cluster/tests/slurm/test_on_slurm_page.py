"""What docs/tutorial/first-cluster.md tells people to do is done, as it stands, on real SLURM.

Only the partition has another name here: the bed's short one lets nothing run for two hours.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from slurm.conftest import lines_for_workers
from testbeds.slurm import SlurmBed

pytestmark = pytest.mark.timeout(300)

PAGE = Path(__file__).parents[4] / "docs" / "tutorial" / "first-cluster.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)


@pytest.fixture
def folder(on_slurm: SlurmBed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project of somebody who has written down what the page says."""
    assert on_slurm.ask("sinfo", "-h", "-p", "main")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (table,) = blocks("toml")
    table = table.replace('partition = "short"', 'partition = "main"')
    site = f"script_lines = {json.dumps(lines_for_workers())}\n"
    (tmp_path / "crew.toml").write_text(table + site)
    return tmp_path


def run(folder: Path, *argv: str) -> str:
    done = subprocess.run(
        [sys.executable, *argv],
        cwd=folder,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout


def test_the_page_can_be_followed_from_top_to_bottom(folder: Path) -> None:
    def crew(line: str) -> str:
        assert any(line in block.splitlines() for block in blocks("bash")), line
        return run(folder, "-m", "crew_core", *shlex.split(line)[1:])

    assert "slurm" in crew("crew launchers")
    script = crew("crew script cpu 3")
    assert "#SBATCH --array=1-3" in script
    assert "#SBATCH --mem=4" in script
    assert "all well: tasks run on cpu" in crew("crew doctor cpu")
    (program,) = blocks("python")
    (folder / "page.py").write_text(program)
    total, hosts = run(folder, "page.py").split(" ", 1)
    assert int(total) == sum(x * x for x in range(100))
    assert hosts.strip() == repr({socket.gethostname()})
    assert "asked for" in crew("crew explain cpu")
    assert "worker" in crew("crew logs cpu -n 5")
