"""What pages about AWS Batch tell people to do is done, as it stands, on moto's AWS.

Only the image has another name here, the port is one of many, and a session takes two workers at
most. Where jobs find this computer is in ``[controllers.aws_batch]``, as a site would have it.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crew_aws_batch import JobDefinition
from testbeds.aws_batch import AwsBatchBed
from testbeds.aws_batch.account import ENVIRONMENT, role

pytestmark = pytest.mark.timeout(300)

DOCS = Path(__file__).parents[4] / "docs"
PAGE = DOCS / "how-to" / "run-on-aws-batch.md"
TUTORIAL = DOCS / "tutorial" / "first-cloud.md"
QUEUES = ("crew", "crew-spot")
FEW_WORKERS = """\
from crew_core._controller import scaling

def few(snapshot, workers, *rest, _plan=scaling.plan, **more):
    return _plan(snapshot, min(workers, 2), *rest, **more)

scaling.plan = few
"""
SITE = ("python", "host", "host_advertised", "seconds_poll")


@pytest.fixture
def account(bed: AwsBatchBed, own_options: dict[str, Any], tmp_path: Path) -> Iterator[Path]:
    """The folder of somebody who has what the page asks for."""
    known = {queue["jobQueueName"] for queue in bed.ask_batch("DescribeJobQueues", {})["jobQueues"]}
    order = [{"order": 1, "computeEnvironment": ENVIRONMENT}]
    for name in {*QUEUES} - known:
        asked = {"jobQueueName": name, "priority": 1, "state": "ENABLED"}
        bed.ask_batch("CreateJobQueue", {**asked, "computeEnvironmentOrder": order})
    lines = ['launcher = "aws_batch"']
    lines += [f"{name} = {json.dumps(own_options[name])}" for name in SITE]
    (tmp_path / "crew.toml").write_text("\n".join(["[controllers.aws_batch]", *lines, ""]))
    yield tmp_path
    definition = JobDefinition(bed.definition, "crew")
    active = list(definition.describe(active=True)["revision"])
    for revision in active[:-1]:  # the first one is the bed's
        definition.deregister(revision)


def run(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
    command = [sys.executable, *argv]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_python_of_the_page_runs(bed: AwsBatchBed, account: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
    assert len(blocks) == 4
    page = re.sub(r'"[\w.-]+/worker:1"', repr(bed.image), "\n".join(blocks))
    assert bed.image in page
    page = page.replace("port=57000", 'port="57000-57100"')  # here others have ports, too
    (account / "page.py").write_text(FEW_WORKERS + page)
    done = run(account, "page.py")
    assert done.returncode == 0, done.stderr
    assert "hello" in done.stdout.splitlines()
    assert "permissions: you may launch workers" in done.stdout


def test_the_commands_of_the_page_run(account: Path) -> None:
    text = PAGE.read_text("utf-8")
    assert "`crew monitor aws_batch runnable`" in text
    done = run(account, "-m", "crew_core", "monitor", "aws_batch", "runnable")
    assert done.returncode == 0, done.stderr


def test_crew_doctor_examines_the_account_and_runs_a_task(bed: AwsBatchBed, account: Path) -> None:
    options = {"job_queue": "crew", "job_definition": bed.definition}
    table = [f"{name} = {json.dumps(value)}" for name, value in options.items()]
    site = (account / "crew.toml").read_text().partition("\n")[2]  # with the launcher
    for name, more in (("batch", 'secrets = "environment"'), ("lost", 'job_queue = "none"')):
        lines = [line for line in table if name == "batch" or "job_queue" not in line]
        text = "\n".join([f"[controllers.{name}]", *lines, site, more])
        (account / "crew.toml").write_text(text + "\n")
        done = run(account, "-m", "crew_core", "doctor", name, "--json")
        steps = {step["name"]: step for step in json.loads(done.stdout)["steps"]}
        assert {"launcher", "identity", "region", "permissions", "queue"} <= set(steps)
        if name == "batch":
            assert done.returncode == 0, steps
            assert steps["network"]["doubtful"]
            assert steps["task"]["ok"]
        else:
            assert done.returncode == 1
            assert not steps["queue"]["ok"]
            assert "submission" not in steps


def test_the_first_cloud_is_had_as_the_tutorial_says(bed: AwsBatchBed, account: Path) -> None:
    # As the template makes it, with a role; the account's end takes it away.
    mine = JobDefinition(bed.definition, "crew")
    mine.register(bed.image, cpus=1, memory=1, job_role_arn=role("crew-job"))
    text = TUTORIAL.read_text("utf-8")
    assert "\ncrew doctor batch\n" in text
    (table,) = re.findall(r"^```toml\n(.*?)^```$", text, re.M | re.S)
    (python,) = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    site = (account / "crew.toml").read_text().partition("\n")[2]
    site = site.partition("\n")[2]  # without the launcher
    told = table.replace("port = 57000", 'port = "57000-57100"').rstrip()
    (account / "crew.toml").write_text(f"{told}\n{site}")
    doctor = run(account, "-m", "crew_core", "doctor", "batch")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    (account / "page.py").write_text(FEW_WORKERS + python)
    done = run(account, "page.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{sum(x**2 for x in range(100))} ")
