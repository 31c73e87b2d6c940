"""The command line shows tables to people and JSON to programs, and fails in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from crew_core._cli.app import app
from crew_core._plugins.registry import fresh

# An address elsewhere: clean() of a test that runs at the same time leaves such a worker alone.
WORKER = ["-m", "crew_core._worker", "--controller", "c1", "--instance", "i1"]
ELSEWHERE = ["--url", "tls+tcp://10.0.0.1:5000"]


def run(*args: str) -> Result:
    return CliRunner().invoke(app, args)


@pytest.fixture
def fake_worker() -> Iterator[subprocess.Popen[bytes]]:
    """A process that looks like a worker's."""
    code = "import time; time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", code, *WORKER, *ELSEWHERE]) as process:
        yield process
        process.kill()


@pytest.fixture
def broken_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed distribution whose plugin cannot be imported."""
    info = tmp_path / "crew_bad-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: crew-bad\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[crew]\nbad = no_such_module_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    fresh()
    yield
    monkeypatch.undo()
    fresh()


def test_launchers_are_shown_with_package_and_version() -> None:
    result = run("launchers")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0].split()[:3] == ["name", "package", "version"]
    assert any(line.split()[:2] == ["local", "crew-core"] for line in lines)


def test_launchers_as_json() -> None:
    rows = json.loads(run("launchers", "--json").output)
    (local,) = [row for row in rows if row["name"] == "local"]
    assert set(local) >= {"name", "package", "version"}
    assert local["package"] == "crew-core"


@pytest.mark.usefixtures("broken_plugin")
def test_broken_plugin_is_shown_with_its_problem() -> None:
    rows = json.loads(run("launchers", "--json").output)
    (broken,) = [row for row in rows if row["name"] == "bad"]
    assert "no_such_module_at_all" in broken["problem"]
    assert "problem" in run("launchers").output.splitlines()[0]


def test_monitor_shows_workers_first(fake_worker: subprocess.Popen[bytes]) -> None:
    for args in (["workers"], []):
        rows = json.loads(run("monitor", "local", *args, "--json").output)
        (row,) = [row for row in rows if row["pid"] == fake_worker.pid]
        assert (row["name"], row["controller"]) == ("crew-c1-i1", "c1")
    assert str(fake_worker.pid) in run("monitor", "local", "workers").output


@pytest.mark.parametrize("table", ["dispatchers", "daemons", "jobs"])
def test_monitor_shows_its_other_tables(table: str) -> None:
    result = run("monitor", "local", table, "--json")
    assert result.exit_code == 0
    assert isinstance(json.loads(result.output), list)


def test_monitor_ends_a_worker(fake_worker: subprocess.Popen[bytes]) -> None:
    result = run("monitor", "local", "terminate", str(fake_worker.pid))
    assert result.exit_code == 0, result.output
    assert fake_worker.wait() < 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["monitor", "lokal"], "crew: no monitor 'lokal'"),
        (["monitor", "local", "wrokers"], "Did you mean 'workers'?"),
        (["monitor", "local", "log", "12"], "has no 'log'"),
        (["script", "local"], "the launcher 'local' submits no scripts"),
        (["monitor", "local", "workers", "12"], "takes no more words"),
        (["monitor", "local", "terminate"], "nothing to terminate"),
        (["monitor", "local", "terminate", "1", "--all"], "or --all alone"),
        (["monitor", "local", "workers", "--follow"], "--follow goes with log alone"),
        (["monitor", "local", "workers", "--all"], "--all goes with terminate alone"),
        (["monitor", "local", "terminate", "1"], "not a dispatcher, daemon or worker"),
        (["monitor", "local", "terminate", "abc"], "not a dispatcher, daemon or worker"),
    ],
)
def test_mistake_is_one_line_on_standard_error(args: list[str], said: str) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("crew: ")
    assert said in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.usefixtures("cleans_up")
def test_clean_prints_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    result = run("clean", "--json")
    assert result.exit_code == 0, result.output
    assert isinstance(json.loads(result.output), list)


def program(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "crew_core", *args], check=False, capture_output=True, text=True
    )


def test_module_runs_as_the_program() -> None:
    answer = program("launchers")
    assert answer.returncode == 0, answer.stderr
    assert "local" in answer.stdout
    assert program("--help").stdout.startswith("Usage: crew ")


def test_program_fails_with_code_2() -> None:
    answer = program("monitor", "lokal")
    assert answer.returncode == 2
    assert answer.stderr.startswith("crew: no monitor 'lokal'")


def test_worker_is_started_without_the_rest_of_the_command_line() -> None:
    code = (
        "import sys, crew_core.__main__ as program\n"
        "sys.argv = ['crew', 'worker', '--help']\n"
        "try: program.main()\n"
        "except SystemExit: pass\n"
        "print('LOADED', *sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True
    )
    loaded = set(answer.stdout.rpartition("LOADED")[2].split())
    assert "crew_core._worker" in loaded, answer.stderr
    assert not {"click", "pandas", "pluggy", "crew_core._controller"} & loaded
