"""Commands that answer questions about running and past sessions: explain, logs, doctor, bench."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import crew_core as crew
from crew_core._cli.app import app
from crew_core._controller.journal import Header, Journal

SECONDS = 60.0

Install = Callable[..., Path]


def run(*args: str) -> Result:
    return CliRunner().invoke(app, args)


def program(*args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "crew_core", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(autouse=True)
def places(state_home: Path, project: Path) -> None:
    """Neither journals and logs nor the configuration are the user's own."""


def past_session(state_home: Path, name: str, log_directory: str = "/nowhere") -> Journal:
    header = Header(
        controller=name,
        launcher="slurm",
        workers=3,
        pid=1,
        began=time.time(),
        log_directory=log_directory,
    )
    return Journal(header, lambda: (1, 0, 1), state_home / "crew" / "decisions")


# ── explain ────────────────────────────────────────────────────────────────────────────────────


def test_explain_tells_of_a_running_session(make: Any) -> None:
    controller = make(workers=2)
    controller.push("1").result(SECONDS)
    told = run("explain", controller.name)
    assert told.exit_code == 0, told.output
    assert f"controller {controller.name!r} on 'local': process" in told.stdout
    assert "1 online, 0 on their way, 2 at most" in told.stdout
    assert controller.name in run("explain").stdout


def test_explain_as_json(make: Any) -> None:
    controller = make()
    controller.push("1").result(SECONDS)
    (facts,) = json.loads(run("explain", controller.name, "--json").stdout)
    assert (facts["live"], facts["online"], facts["launcher"]) == (True, 1, "local")
    assert facts["entries"][0]["what"] == "asked"


def test_explain_tells_of_the_latest_session_when_it_has_ended(make: Any) -> None:
    controller = make()
    controller.push("1").result(SECONDS)
    controller.terminate()
    assert "has ended" in run("explain", controller.name).stdout


def test_explain_says_why_a_job_waits(state_home: Path) -> None:
    name = crew.random_name()
    past_session(state_home, name).note("waits", "Priority", 2, ["7_1", "7_2"])
    assert "Priority" in run("explain", name, "7_2").stdout
    answer = json.loads(run("explain", name, "7_2", "--json").stdout)
    assert [entry["why"] for entry in answer["entries"]] == ["Priority"]
    missing = run("explain", name, "8")
    assert missing.exit_code == 2
    assert "nothing is known of job '8'" in missing.stderr


def test_explain_of_an_unknown_controller_names_those_there_are(state_home: Path) -> None:
    name = f"known-{crew.random_name()}"
    past_session(state_home, name).note("asked", "by hand")
    result = run("explain", name[:-1])
    assert result.exit_code == 2
    assert f"Did you mean {name!r}?" in result.stderr


# ── logs ───────────────────────────────────────────────────────────────────────────────────────


def test_logs_shows_what_workers_print(make: Any) -> None:
    controller = make()
    controller.push("print('hello from a worker')").result(SECONDS)
    assert "hello from a worker" in run("logs", controller.name).stdout
    (instance,) = controller.launcher.summary()["instance"]
    assert "hello from a worker" in run("logs", controller.name, instance[:6]).stdout
    lines = run("logs", controller.name, "--json").stdout.splitlines()
    assert {"worker": instance, "line": "hello from a worker"} in map(json.loads, lines)
    assert controller.name in run("logs").stdout


def test_logs_shows_the_last_lines_only_when_asked_to(make: Any) -> None:
    controller = make()
    controller.push("for i in range(9): print('line', i)").result(SECONDS)
    shown = run("logs", controller.name, "-n", "200").stdout.splitlines()
    assert len(run("logs", controller.name, "-n", "2").stdout.splitlines()) == 2 < len(shown)


def test_logs_follows_workers_until_the_session_ends(make: Any) -> None:
    controller = make()
    controller.push("print('before')").result(SECONDS)
    with program("logs", "-f", controller.name) as follower:
        assert follower.stdout is not None
        seen = iter(follower.stdout.readline, "")
        assert any("before" in line for line in seen)
        controller.push("print('meanwhile')").result(SECONDS)
        assert any("meanwhile" in line for line in seen)
        controller.terminate()
        assert follower.wait(SECONDS) == 0


def test_logs_of_nobody_is_a_mistake() -> None:
    result = run("logs", f"nobody-{crew.random_name()}")
    assert result.exit_code == 2
    assert "says which controllers have logs here" in result.stderr


def test_logs_says_where_else_a_log_may_be(state_home: Path, tmp_path: Path) -> None:
    name = crew.random_name()
    past_session(state_home, name, str(tmp_path)).note("asked", "by hand")
    assert "crew monitor slurm log JOB" in run("logs", name).stderr


# ── doctor ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("cleans_up")
def test_doctor_finds_this_computer_well() -> None:
    result = run("doctor")
    assert result.exit_code == 0, result.output
    steps = [line[8:].split(":")[0] for line in result.stdout.splitlines()[:-1]]
    assert steps[0] == "Python"
    assert steps[-6:] == ["launcher", "dispatcher", "submission", "connection", "task", "end"]
    assert result.stdout.splitlines()[-1].startswith("all well")


def test_doctor_as_json() -> None:
    answer = json.loads(run("doctor", "local", "--json").stdout)
    assert answer["ok"]
    assert [step["name"] for step in answer["steps"]] == [
        "launcher",
        "dispatcher",
        "submission",
        "connection",
        "task",
        "end",
    ]


def test_doctor_tries_a_controller_of_the_configuration(project: Path) -> None:
    (project / "crew.toml").write_text('[controllers.here]\nlauncher = "local"\nworkers = 4\n')
    assert run("doctor", "here").exit_code == 0


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('launcher = "local"\nworkres = 4\n', "workers"),
        ('launcher = "local"\nseconds_idle = "4"\n', "seconds_idle"),
        ('launcher = "no-such"\n', "no launcher 'no-such'"),
    ],
)
def test_doctor_names_the_step_that_fails(project: Path, toml: str, said: str) -> None:
    (project / "crew.toml").write_text(f"[controllers.here]\n{toml}")
    result = run("doctor", "here")
    assert result.exit_code == 1
    first, *rest = result.stdout.splitlines()
    assert first.startswith("FAILED  launcher:")
    assert said in first
    assert not any("dispatcher" in line for line in rest)


REFUSES = """
import logging
from crew_core.plugins import Finding, Launcher, LaunchError, Grade

class Refuses(Launcher):
    local = True

    def launch(self, request):
        raise LaunchError("no such queue", argv=["sub", "-q"], returncode=3, stderr="queue?")

class Lazy(Launcher):
    local = True
    seconds_launch_default = 0.5

    def launch(self, request):
        return [w.instance for w in request.workers]

class Murmurs(Lazy):
    def launch(self, request):
        logging.getLogger("crew").warning("the moon is %s", "full")
        return super().launch(request)

class Sick(Lazy):
    def examine(self, hosts, ports):
        yield Finding("weather", Grade.DOUBTFUL, "it may rain", "take a coat")
        yield Finding("queue", Grade.BAD, f"none for {hosts} {ports}", "name another")

class Abroad(Sick):
    local = False

class Torn(Lazy):
    def examine(self, hosts, ports):
        raise LaunchError("nobody answers there")
"""


@pytest.fixture
def odd_launchers(
    install: Install,
    registering: Callable[[dict[str, str]], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Launchers that refuse, that do nothing, and that find something amiss."""
    kinds = ("Refuses", "Lazy", "Murmurs", "Sick", "Abroad", "Torn")
    hook = registering({kind.lower(): f"plugin_odd:{kind}" for kind in kinds})
    site = install(
        "crew-odd", {"odd": "plugin_odd_hook"}, {"plugin_odd": REFUSES, "plugin_odd_hook": hook}
    )
    paths = (str(site), os.environ.get("PYTHONPATH"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))  # for other processes


@pytest.mark.usefixtures("odd_launchers")
def test_doctor_shows_what_was_refused_and_the_command() -> None:
    result = run("doctor", "refuses", "--json")
    assert result.exit_code == 1
    steps = {step["name"]: step for step in json.loads(result.stdout)["steps"]}
    assert not steps["submission"]["ok"]
    for part in ("no such queue", "sub -q", "exit code 3", "queue?"):
        assert part in steps["submission"]["said"]
    assert steps["end"]["ok"]
    assert "connection" not in steps


@pytest.mark.usefixtures("odd_launchers")
def test_doctor_says_a_failure_once_though_it_is_logged_too() -> None:
    doctor = program("doctor", "refuses")
    said, logged = doctor.communicate(timeout=SECONDS)
    assert doctor.returncode == 1
    assert "no such queue" in said
    assert logged == ""


@pytest.mark.usefixtures("odd_launchers")
def test_doctor_repeats_what_is_logged_and_no_step_says() -> None:
    doctor = program("doctor", "murmurs")
    said, logged = doctor.communicate(timeout=SECONDS)
    assert "the moon is full" not in said
    assert logged == "the moon is full\n"


@pytest.mark.usefixtures("odd_launchers")
def test_doctor_says_when_no_worker_comes() -> None:
    result = run("doctor", "lazy")
    assert result.exit_code == 1
    assert "FAILED  connection:" in result.stdout
    assert "did not connect within seconds_launch=0.5" in result.stdout


@pytest.mark.usefixtures("odd_launchers")
def test_doctor_shows_what_a_launcher_finds_and_launches_nothing_where_it_is_bad() -> None:
    result = run("doctor", "sick")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1:] == [
        "doubt   weather: it may rain",
        "        take a coat",
        "FAILED  queue: none for () (0, 0)",
        "        name another",
    ]
    doubtful, bad = json.loads(run("doctor", "sick", "--json").stdout)["steps"][1:]
    assert (doubtful["ok"], doubtful["doubtful"]) == (True, True)
    assert (bad["ok"], bad["doubtful"]) == (False, False)


@pytest.mark.usefixtures("odd_launchers")
def test_a_launcher_hears_where_workers_will_dial(project: Path) -> None:
    table = '[controllers.far]\nlauncher = "abroad"\nhost = "127.0.0.1"\nport = "50000-50100"\n'
    (project / "crew.toml").write_text(table)
    assert "none for ('127.0.0.1',) (50000, 50100)" in run("doctor", "far").stdout


@pytest.mark.usefixtures("odd_launchers")
def test_an_examination_that_fails_is_a_step_that_fails() -> None:
    result = run("doctor", "torn")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1:] == ["FAILED  platform: nobody answers there"]


@pytest.mark.usefixtures("odd_launchers")
def test_a_platform_that_refuses_is_exit_code_3() -> None:
    assert run("bench", "refuses").exit_code == 3


# ── the rest ───────────────────────────────────────────────────────────────────────────────────


def test_bench_measures() -> None:
    rows = json.loads(run("bench", "--json").stdout)
    assert [row["unit"] for row in rows] == ["s", "us", "tasks/s", "MiB/s"]
    assert all(row["value"] > 0 for row in rows)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str) -> None:
    assert "_CREW_COMPLETE" in run("completion", shell).stdout


def test_names_are_completed(project: Path) -> None:
    (project / "crew.toml").write_text('[controllers.night-run]\nlauncher = "local"\n')
    typed = {
        "_CREW_COMPLETE": "bash_complete",
        "COMP_WORDS": "crew doctor ni",
        "COMP_CWORD": "2",
    }
    done = subprocess.run(
        [sys.executable, "-c", "from crew_core.__main__ import main; main()"],
        env={**os.environ, **typed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "night-run" in done.stdout, done.stderr


def test_script_names_the_controller_of_the_configuration() -> None:
    launcher = crew.controller("local", name="cpu").launcher
    assert "--controller cpu" in launcher.call()
    assert "--controller CONTROLLER" in crew.controller("local").launcher.call()
