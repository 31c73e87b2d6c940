"""The agent on this computer, without SSH: starts, tells, ends, and leaves workers when it goes."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crew_ssh._connection.errors import SshError
from crew_ssh._hosts.errand import Errand
from crew_ssh._options.hosts import HostOptions
from remote.local_session import LocalSession
from testbeds.waiting import until

SECONDS = 30.0
SLEEP = ["sleep", "300"]

MakeErrand = Callable[..., Errand]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[MakeErrand]:
    """Send agents to this computer; all their workers end with the test."""
    made: list[Errand] = []

    def make(shell: str = "sh", **options: Any) -> Errand:
        given = HostOptions(**{"host": "here", "python": sys.executable, **options})
        run = str(tmp_path / "run")
        made.append(Errand(lambda command: LocalSession(command, shell), given, run, SECONDS))
        return made[-1]

    yield make
    last = make()
    names = [row["name"] for row in last.ask("rows", SECONDS)]
    last.ask("end", SECONDS, names=names, seconds_to_leave=1.0)
    for errand in made:
        errand.close()


def start(errand: Errand, *names: str, slots: int = 9, **order: Any) -> list[dict[str, Any]]:
    """Start workers that do nothing, unless the order says otherwise."""
    workers = [
        {"name": name, "instance": f"i-{name}", "argv": SLEEP, "env": {}, **order} for name in names
    ]
    answers: list[dict[str, Any]] = errand.ask(
        "start", SECONDS, site="here", controller="c", slots=slots, workers=workers
    )
    return answers


def state(errand: Errand, name: str) -> dict[str, Any]:
    """What the agent says of a worker."""
    (found,) = errand.ask("poll", SECONDS, names=[name])
    return dict(found)


def test_it_says_what_the_host_is_like(make: MakeErrand) -> None:
    hello = make().hello
    assert hello["cpus"] >= 1
    assert hello["python"].split(".")[:2] == [str(part) for part in sys.version_info[:2]]


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_what_the_prologue_prints_and_reads_is_not_ours(make: MakeErrand, shell: str) -> None:
    errand = make(shell, prologue=("echo noise", "cat", "CREW_TEST=1", "export CREW_TEST"))
    (answer,) = start(errand, "a", argv=["sh", "-c", "exit $CREW_TEST"])
    assert "pid" in answer
    until(lambda: state(errand, "a").get("code") == 1, SECONDS)


def test_its_directory_is_private(make: MakeErrand, tmp_path: Path) -> None:
    start(make(), "a", env={"CREW_SECRET": "s3cret"})
    run = tmp_path / "run"
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    for path in run.rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, f"{path} is open to others"
        assert path.is_dir() or "s3cret" not in path.read_text(errors="replace")


def test_a_directory_that_others_may_enter_is_refused(make: MakeErrand, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o755)
    with pytest.raises(SshError, match="open to other users") as caught:
        make()
    assert not caught.value.transient
    (tmp_path / "run").chmod(0o700)


def test_there_are_never_more_than_slots(make: MakeErrand) -> None:
    answers = start(make(), "a", "b", "c", slots=2)
    assert ["pid" in answer for answer in answers] == [True, True, False]
    assert start(make(), "d", slots=2) == [{"full": True}], "another agent counts the same"


def test_no_worker_starts_twice(make: MakeErrand) -> None:
    errand = make()
    start(errand, "a")
    (again,) = start(errand, "a")
    assert "has been started here before" in again["error"]


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -9 $$", 137), ("true", 0)])
def test_exit_codes_are_written_down(make: MakeErrand, script: str, code: int) -> None:
    errand = make()
    start(errand, "a", argv=["sh", "-c", script])
    until(lambda: state(errand, "a")["state"] == "ended", SECONDS)
    assert state(errand, "a")["code"] == code


def test_workers_outlive_their_agent_and_are_known_to_the_next(make: MakeErrand) -> None:
    first = make()
    (answer,) = start(first, "a")
    first.close()
    second = make()
    assert state(second, "a") == {"state": "running", "pid": answer["pid"]}
    second.ask("end", SECONDS, names=["a"], seconds_to_leave=5.0)
    assert state(second, "a")["told"]


def test_a_worker_that_takes_no_notice_is_killed(make: MakeErrand) -> None:
    errand = make()
    stubborn = "trap '' TERM; while :; do sleep 1; done"
    start(errand, "a", argv=["sh", "-c", stubborn])
    errand.ask("end", SECONDS, names=["a"], seconds_to_leave=0.2)
    until(lambda: state(errand, "a")["state"] == "ended", SECONDS)


def test_what_a_worker_prints_is_kept(make: MakeErrand) -> None:
    errand = make()
    start(errand, "a", argv=["sh", "-c", "echo out; echo err >&2"])
    until(lambda: state(errand, "a")["state"] == "ended", SECONDS)
    assert errand.ask("output", SECONDS, name="a") == "out\nerr\n"


def test_a_missing_python_is_an_error_that_says_where_it_was_looked_for(make: MakeErrand) -> None:
    with pytest.raises(SshError, match="has no Python: looked for /no/such/python") as caught:
        make(python="/no/such/python")
    assert not caught.value.transient


def test_names_that_lead_elsewhere_are_refused(make: MakeErrand) -> None:
    errand = make()
    for name in ("..", "a/b", ""):
        with pytest.raises(SshError, match="is not the name of a worker"):
            state(errand, name)


def other_pythons() -> list[str]:
    """Interpreters of other versions on this computer, as old as an agent may meet."""
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    found = {}
    for path in sorted(Path(sys.base_prefix).parent.glob("*/bin/python3")):
        told = subprocess.run([path, "-c", ask], capture_output=True, text=True, check=False)
        version = told.stdout.strip()
        if told.returncode == 0 and tuple(map(int, version.split("."))) >= (3, 8):
            found[version] = str(path)
    return list(found.values())


@pytest.mark.parametrize("python", other_pythons())
def test_it_runs_on_other_pythons(make: MakeErrand, python: str) -> None:
    errand = make(python=python)
    start(errand, "a", argv=["sh", "-c", "exit 4"])
    until(lambda: state(errand, "a").get("code") == 4, SECONDS)
    told = errand.ask(
        "run", SECONDS, argv=["echo", "run"], stdin="", env=None, more={}, seconds=SECONDS
    )
    assert told["code"] == 0
    assert errand.ask("relay", SECONDS, to=9, port=0, address="127.0.0.1")["port"] > 0
