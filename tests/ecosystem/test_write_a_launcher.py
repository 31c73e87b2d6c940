"""The guide "Write a launcher" is followed to the letter, in a fresh environment."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "how-to" / "write-a-launcher.md"
SECONDS = 900


def commands() -> list[str]:
    """All lines of shell of the guide that are to be run, in their order."""
    blocks = re.findall(r"(<!-- not run: .+ -->\n)?```bash\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    return [line for why_not, code in blocks if not why_not for line in code.splitlines() if line]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a new environment, with nothing but this crew-core."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    run([sys.executable, "-m", "venv", str(folder)], folder.parent, {})
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    core = str(ROOT / "packages" / "crew-core")
    run([str(programs / "pip"), "install", "--quiet", core], folder.parent, {})
    return programs


def run(argv: list[str], folder: Path, variables: dict[str, str]) -> str:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    pip = {"PIP_CONSTRAINT": str(ROOT / "constraints.txt"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(
        argv,
        cwd=folder,
        env={**kept, **pip, "PIP_NO_INPUT": "1", **variables},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{shlex.join(argv)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.timeout(4 * SECONDS)
def test_the_guide_leads_to_a_certified_launcher(programs: Path, tmp_path: Path) -> None:
    variables = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    folder = tmp_path
    printed = {}
    for command in commands():
        argv = shlex.split(command)
        if argv[0] == "cd":
            folder = folder / argv[1]
        else:
            argv[0] = str(programs / argv[0])  # a new shell would find it there
            printed[command] = run(argv, folder, variables)
    assert folder.name == "crew-mycloud"
    assert "crew-mycloud" in printed["crew launchers"]
    assert "all well" in printed["crew doctor mycloud"]
    certified = printed["crew certify mycloud --badge docs/certificate.svg"]
    assert "does what every launcher must" in certified
    assert (folder / "docs" / "certificate.svg").read_text().startswith("<svg")
    assert re.search(r"\d+ passed", printed["pytest"])
