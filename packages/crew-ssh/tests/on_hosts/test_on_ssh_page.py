"""What docs/how-to/run-over-ssh.md tells people to do is done, as it stands, on real sshd.

``~/.ssh/config`` and Python on the hosts are in the table ``[controllers.ssh]``, as a site would
have it. ``node1:4711`` is the worker that runs.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import crew_core as crew
from on_hosts.conftest import options_on
from testbeds.ssh import SshBed
from testbeds.waiting import until

pytestmark = pytest.mark.timeout(300)

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "run-over-ssh.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)


@pytest.fixture
def folder(ssh_bed: SshBed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of somebody who knows two hosts by the names that the page has."""
    config = tmp_path / "ssh_config"
    told = ssh_bed.ssh_config.read_text()
    config.write_text(re.sub(r"\bh([12])\b(?!-)", r"node\1", told))
    own = {**options_on(ssh_bed), "ssh_config": str(config)}
    site = "\n".join(
        f"{name} = {json.dumps(own[name])}" for name in ("python", "ssh_config", "run_directory")
    )
    path = json.dumps(own["env"].get("PYTHONPATH", ""))
    site += f"\nenv = {{PYTHONPATH = {path}}}\n"
    (table,) = blocks("toml")
    table = table.replace(', python = "/opt/py/bin/python"', "")
    (tmp_path / "crew.toml").write_text(f'[controllers.ssh]\nlauncher = "ssh"\n{site}{table}{site}')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *argv]
    return subprocess.run(
        command, cwd=folder, env=dict(os.environ), capture_output=True, text=True, check=False
    )


def test_the_python_of_the_page_runs(folder: Path) -> None:
    (folder / "page.py").write_text("\n".join([*blocks("python"), "print(len(table))"]))
    done = run(folder, "page.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1000"


def test_the_commands_of_the_page_run(folder: Path) -> None:
    with crew.controller("lab") as controller:
        controller.push("print('hello')").result(200)
        (job,) = controller.launcher.summary()["job"]
        lines = [line for block in blocks("bash") for line in block.splitlines()]
        assert [line.split()[:3] for line in lines] == [["crew", "monitor", "lab"]] * 3
        told = []
        for line in lines:
            argv = shlex.split(line.replace("node1:4711", job), comments=True)
            done = run(folder, "-m", "crew_core", *argv[1:])
            assert done.returncode == 0, f"{line}: {done.stderr}"
            told.append(done.stdout)
        assert job.rpartition(":")[2] in told[0]
        assert "hello" in told[1]
        until(lambda: controller.launcher.summary()["state"][0] != "online", 60)


def test_crew_doctor_examines_each_host_and_runs_a_task(folder: Path) -> None:
    done = run(folder, "-m", "crew_core", "doctor", "lab", "--json")
    steps = {step["name"]: step for step in json.loads(done.stdout)["steps"]}
    assert done.returncode == 0, steps
    for host in ("host node1", "host node2"):
        assert "lets us in" in steps[host]["said"]
    assert steps["task"]["ok"]


def test_crew_doctor_launches_nothing_where_no_host_can_run_workers(folder: Path) -> None:
    text = (folder / "crew.toml").read_text()
    head, _, lab = text.partition("[controllers.lab]")
    python = re.sub(r'python = "[^"]+"', 'python = "/nowhere/python"', lab)
    (folder / "crew.toml").write_text(f"{head}[controllers.lab]{python}")
    done = run(folder, "-m", "crew_core", "doctor", "lab", "--json")
    steps = {step["name"]: step for step in json.loads(done.stdout)["steps"]}
    assert done.returncode == 1
    assert not steps["host node1"]["ok"]
    assert "submission" not in steps
