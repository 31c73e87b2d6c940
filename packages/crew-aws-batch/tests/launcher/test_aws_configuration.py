"""Everything about workers on AWS Batch can be said in a configuration file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import crew_core as crew
from crew_core._cli.app import app

FILE = """
[controllers.gpu]
launcher = "aws_batch"
workers = 4
processes = 2
region = "eu-west-1"
job_queue = ["gpu", "gpu-large"]
job_definition = "train:7"
memory = [4, 8, 16]
gpus = 1
timeout = 3600
propagate_tags = true

[controllers.gpu.tags]
project = "stars"

[controllers.gpu.parameters]
mode = "fast"

[controllers.gpu.retry_strategy]
attempts = 2

[controllers.gpu.container_overrides]
environment = [{ name = "OMP_NUM_THREADS", value = "1" }]

[controllers.gpu.config]
connect_timeout = 3

[controllers.slip]
launcher = "aws_batch"
job_queue = "q"
job_definition = "d"
job_cue = "q"
"""


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "crew.toml"
    path.write_text(FILE, encoding="utf-8")
    monkeypatch.setenv("CREW_CONFIG", str(path))


def test_lists_are_ladders_and_tables_are_what_aws_is_sent() -> None:
    launcher: Any = crew.controller("gpu").launcher
    options = launcher.options
    assert options.memory == (4, 8, 16)
    assert options.job_queue == ("gpu", "gpu-large")
    assert launcher.steps == 3
    asked = json.loads(launcher.script(3))
    assert asked["jobQueue"] == "gpu"
    assert asked["tags"]["project"] == "stars"
    assert asked["parameters"] == {"mode": "fast"}
    assert asked["retryStrategy"] == {"attempts": 2}
    assert asked["timeout"] == {"attemptDurationSeconds": 3600}
    overrides = asked["containerOverrides"]
    assert {"name": "OMP_NUM_THREADS", "value": "1"} in overrides["environment"]
    assert {"type": "GPU", "value": "1"} in overrides["resourceRequirements"]


def test_a_slip_is_named() -> None:
    with pytest.raises(crew.ConfigError, match=r"job_cue.*job_queue"):
        crew.controller("slip")


def test_what_would_be_submitted_is_shown_at_a_prompt() -> None:
    result = CliRunner().invoke(app, ["script", "gpu"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["jobDefinition"] == "train:7"
