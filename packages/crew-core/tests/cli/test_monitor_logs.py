"""``crew monitor`` shows what jobs print, in whichever form a monitor has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crew_core._cli.app import app
from crew_core._plugins.registry import fresh

PLUGIN = """
from dataclasses import dataclass
import pandas as pd
from crew_core.plugins import ConfigError, CrewError, Monitor, hookimpl

class Text(Monitor):
    def jobs(self):
        return pd.DataFrame({"job": ["1"]})
    def terminate(self, ids=(), *, all=False):
        raise NotImplementedError
    def log(self, id):
        return {"1": "hello\\n"}.get(id)

class Lines(Text):
    def log(self, id, *, follow=False):
        if follow:
            return iter(["one", "two \\u2192"])
        return pd.DataFrame({"message": ["hello", "again"][:int(id)], "attempt": [1, 2][:int(id)]})

class Endless(Text):
    def log(self, id, *, follow=False):
        import time
        yield "begun"
        time.sleep(600)

class Places(Monitor):
    needs = ("place",)
    @dataclass(frozen=True, kw_only=True)
    class Options(Monitor.Options):
        place: str
    def jobs(self):
        if self.options.place == "broken":
            raise CrewError("nobody answers in broken")
        return pd.DataFrame({"job": [f"{self.options.place}-1"], "name": ["worker"]})
    def terminate(self, ids=(), *, all=False):
        print(self.options.place, list(ids))
    def log(self, id, *, follow=False):
        told = [f"{id} in {self.options.place}"]
        return iter(told) if follow else pd.DataFrame({"message": told})

@hookimpl
def crew_monitors():
    names = ("Text", "Lines", "Endless", "Places")
    return {name.lower(): f"crew_scribes:{name}" for name in names}
"""


@pytest.fixture(autouse=True)
def scribes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An installed distribution with monitors that know what jobs have printed; its folder."""
    info = tmp_path / "crew_scribes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: crew-scribes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[crew]\nscribes = crew_scribes\n")
    (tmp_path / "crew_scribes.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    fresh()
    yield tmp_path
    monkeypatch.undo()
    sys.modules.pop("crew_scribes", None)
    fresh()


@pytest.fixture
def places(project: Path, state_home: Path) -> None:
    """A monitor that is there once for each of two places, and for one where nobody answers."""
    tables = [
        f'[controllers.{n}]\nlauncher = "places"\nplace = "{n}"\n' for n in ("a", "b", "broken")
    ]
    (project / "crew.toml").write_text("\n".join(tables))


def run(*args: str) -> Result:
    return CliRunner().invoke(app, ["monitor", *args])


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["text", "log", "1"], "hello\n"),
        (["text", "log", "2"], "nothing is kept of 2\n"),
        (["lines", "log", "2"], "hello\nagain\n"),
        (["lines", "log", "0"], "nothing is kept of 0\n"),
        (["lines", "log", "1", "--follow"], "one\ntwo →\n"),
    ],
)
def test_the_log_of_a_job_is_shown_as_its_monitor_has_it(args: list[str], told: str) -> None:
    assert run(*args).output == told


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["text", "log", "1"], {"id": "1", "log": "hello\n"}),
        (["text", "log", "2"], {"id": "2", "log": None}),
        (["lines", "log", "2"], {"id": "2", "log": "hello\nagain\n"}),
    ],
)
def test_a_log_as_json_is_one_value(args: list[str], told: dict[str, str]) -> None:
    assert json.loads(run(*args, "--json").output) == told


def test_a_log_that_is_followed_as_json_is_a_text_on_each_line() -> None:
    lines = run("lines", "log", "1", "--follow", "--json").output.splitlines()
    assert [json.loads(line) for line in lines] == ["one", "two →"]


def test_what_comes_is_shown_while_the_job_runs(
    scribes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(scribes), prepend=os.pathsep)
    command = [sys.executable, "-m", "crew_core", "monitor", "endless", "log", "1", "--follow"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        assert follower.stdout.readline() == "begun\n"
        follower.kill()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["text", "log", "1", "--follow"], "leave out --follow"),
        (["text", "log"], "the log of which job?"),
        (["text", "log", "1", "2"], "the log of which job?"),
        (["text", "jobs", "--follow"], "--follow goes with log alone"),
        (["local", "log", "12", "--follow"], "has no 'log'"),
    ],
)
def test_mistake_is_one_line_on_standard_error(args: list[str], said: str) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert (result.stdout, result.stderr.count("\n")) == ("", 1)
    assert said in result.stderr


@pytest.mark.usefixtures("places")
def test_of_several_monitors_the_one_that_knows_the_job_is_asked() -> None:
    assert run("places", "log", "b-1").stdout == "b-1 in b\n"
    assert run("places", "log", "a-1", "--follow").stdout == "a-1 in a\n"
    assert json.loads(run("places", "log", "b-1", "--json").stdout)["log"] == "b-1 in b\n"
    assert run("places", "terminate", "a-1", "b-1").stdout.splitlines()[:2] == [
        "a ['a-1']",
        "b ['b-1']",
    ]


@pytest.mark.usefixtures("places")
def test_one_of_several_monitors_that_fails_is_told_and_the_others_are_shown() -> None:
    result = run("places", "jobs", "--json")
    assert [row["job"] for row in json.loads(result.stdout)] == ["a-1", "b-1"]
    assert result.stderr == "crew: nobody answers in broken\n"
