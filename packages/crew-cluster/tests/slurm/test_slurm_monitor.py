"""What a person at a prompt is shown of jobs, and what can be ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from crew_cluster._slurm.monitor import SlurmMonitor
from crew_core.plugins import ConfigError, CrewError

TIMES = "2026-11-21T10:00:00|2026-11-21T10:00:05|N/A"
ROWS = (
    f"17_1|17|1|crew-my-run-i1|RUNNING|short|n1|{TIMES}|0|None|",
    f"17_2|17|2|crew-my-run-i1|PENDING|short||{TIMES}|0|Priority|",
    f"18|18|N/A|crew-other-i9|COMPLETED|short|n1|{TIMES}|0|None|",
    f"19|19|N/A|my own job|RUNNING|short|n1|{TIMES}|0|None|",
)
COLUMNS = [
    "job", "index", "name", "state", "raw_state", "reason", "queue", "host", "submitted",
    "started", "finished", "exit_code", "instance", "controller",
]  # fmt: skip


class Prompt:
    """A monitor whose programs print these lines, and note what was to be cancelled."""

    def __init__(self, folder: Path, rows: Sequence[str] = ROWS) -> None:
        self._folder = folder
        self.scripts = folder / "scripts"
        (folder / "rows").write_text("".join(f"{row}\n" for row in rows))
        options: dict[str, Any] = {
            "script_directory": self.scripts,
            "command_list": self._program("squeue", f"cat '{folder}/rows'"),
            "command_terminate": self._program("scancel", f"echo \"$@\" >>'{folder}/cancelled'"),
        }
        self.monitor = SlurmMonitor(SlurmMonitor.Options(**options))

    def _program(self, name: str, text: str) -> Path:
        path = self._folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o700)
        return path

    @property
    def cancelled(self) -> list[str]:
        path = self._folder / "cancelled"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def prompt(tmp_path: Path) -> Prompt:
    return Prompt(tmp_path)


def test_only_crews_jobs_are_shown_in_the_usual_columns(prompt: Prompt) -> None:
    table = prompt.monitor.jobs()
    assert list(table.columns) == COLUMNS
    assert list(table["job"]) == ["17_1", "17_2", "18"]
    assert list(table["state"]) == ["running", "pending", "finished"]
    assert list(table["controller"]) == ["my-run", "my-run", "other"]


def test_elements_of_an_array_have_their_own_instances(prompt: Prompt) -> None:
    folder = prompt.scripts / "crew-my-run-i1"
    folder.mkdir(parents=True)
    (folder / "job.json").write_text(json.dumps({"instances": ["i1", "i2"], "names": []}))
    assert list(prompt.monitor.jobs()["instance"]) == ["i1", "i2", "i9"]


def test_a_record_that_is_broken_is_none(prompt: Prompt) -> None:
    folder = prompt.scripts / "crew-my-run-i1"
    folder.mkdir(parents=True)
    for text in ("", "[]", "{", '{"instances": 3}'):
        (folder / "job.json").write_text(text)
        assert prompt.monitor.jobs()["instance"][0] == "i1"


def test_nothing_is_a_table_too(tmp_path: Path) -> None:
    table = Prompt(tmp_path, rows=()).monitor.jobs()
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == COLUMNS
    assert len(table) == 0


@pytest.mark.parametrize(
    ("ids", "cancelled"),
    [("17_2", "17_2"), (["17_1", "17_2"], "17"), (17, "17"), ("17", "17")],
)
def test_jobs_are_ended_by_any_of_their_names(
    prompt: Prompt, ids: str | int | list[str], cancelled: str
) -> None:
    prompt.monitor.terminate(ids)
    assert prompt.cancelled == [f"--quiet {cancelled}"]


def test_all_are_crews_and_not_the_users_own(prompt: Prompt) -> None:
    prompt.monitor.terminate(all=True)
    assert prompt.cancelled == ["--quiet 17"]


@pytest.mark.parametrize("ids", ["19", "18", ["17_1", "20"]])
def test_for_a_job_that_is_none_of_crews_nothing_is_ended(
    prompt: Prompt, ids: str | list[str]
) -> None:
    with pytest.raises(ConfigError, match="is no job of yours that crew launched"):
        prompt.monitor.terminate(ids)
    assert prompt.cancelled == []


def test_a_jobs_output_is_shown(prompt: Prompt) -> None:
    folder = prompt.scripts / "crew-my-run-i1"
    folder.mkdir(parents=True)
    (folder / "2.out").write_text("hello\n")
    assert prompt.monitor.log("17_2") == "hello\n"
    assert prompt.monitor.log("18") is None


def test_a_scheduler_that_does_not_answer_is_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'Unable to contact' >&2; exit 1\n")
    broken.chmod(0o700)
    monitor = SlurmMonitor(SlurmMonitor.Options(command_list=broken))
    with pytest.raises(CrewError, match="Unable to contact"):
        monitor.jobs()
