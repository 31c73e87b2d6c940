"""Files of submissions on a login node are as they would be here; commands are run there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from crew_cluster._cluster.commands import CommandError
from crew_cluster._cluster.elsewhere import RunElsewhere, ShelfElsewhere, beyond
from crew_cluster._cluster.folder import Folder
from crew_cluster._cluster.job import Handle
from crew_cluster._cluster.shelf import Shelf
from crew_core.plugins import (
    CommandAnswer,
    CommandRunner,
    ConfigError,
    LaunchError,
    LaunchRequest,
    WorkerLaunch,
)


class Login(CommandRunner):
    """This computer, as if it were another."""

    def __init__(self, home: Path) -> None:
        super().__init__("here://login")
        self.variables = {"PATH": os.environ["PATH"], "HOME": str(home), "SLURM_JOB_ID": "17"}
        self.error: Exception | None = None

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        seconds: float = 60.0,
    ) -> CommandAnswer:
        if self.error is not None:
            raise self.error
        variables = self.variables if env is None else env
        done = subprocess.run(
            argv, input=stdin, env=variables, capture_output=True, timeout=seconds, check=False
        )
        return CommandAnswer(done.returncode, done.stdout, done.stderr)

    def way_back(self, url: str) -> str:
        return url.replace("laptop", "login")


@pytest.fixture
def login(tmp_path: Path) -> Login:
    return Login(tmp_path / "home")


@pytest.fixture(params=["here", "there"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path, login: Login) -> Shelf:
    place = tmp_path / "some scripts"
    return Shelf(place) if request.param == "here" else ShelfElsewhere(login, place)


@pytest.fixture
def folder(shelf: Shelf) -> Folder:
    made = shelf.folder(shelf.directory / "crew-c-1")
    made.make(["first\n", "second '\n", "third\n"])
    return made


def names(folder: Folder) -> list[str]:
    return sorted(path.name for path in folder.path.iterdir())


def test_a_folder_and_its_files_are_private(folder: Folder) -> None:
    folder.write_script("#!/bin/sh\n")
    assert names(folder) == ["1", "2", "3", "script.sh"]
    assert (folder.path / "2").read_text() == "second '\n"
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.path.iterdir()} == {0o600}
    assert folder.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_is_there_is_somebody_elses(folder: Folder) -> None:
    with pytest.raises(LaunchError, match="cannot write the job's files"):
        folder.make(["again"])


def test_workers_are_withdrawn(shelf: Shelf, folder: Folder) -> None:
    (folder.path / "3").rename(folder.path / "3.taken")
    shelf.withdraw([Handle("17", place, 3, folder.path.name, str(folder.path)) for place in (1, 3)])
    assert names(folder) == ["2"]


def test_a_folder_goes_with_its_last_job(shelf: Shelf, folder: Folder) -> None:
    folder.write_record({"job": "17"})
    (folder.path / "1.out").write_text("said")
    (folder.path / "2.out").write_text("")
    (folder.path / "2.told").write_text("19")
    handles = [Handle("17", place, 3, "crew-c-1", str(folder.path)) for place in (1, 2, 3)]
    shelf.tidy(handles)
    assert names(folder) == ["1.out", "2.told", "job.json"]
    (folder.path / "1.out").unlink()
    shelf.tidy(handles[:1])
    assert not folder.path.exists()
    shelf.tidy(handles[:1])


def test_output_is_read_from_its_end(folder: Folder) -> None:
    assert folder.output(1) is None
    (folder.path / "1.out").write_text("x" * 100_000 + "last")
    told = folder.output(1)
    assert told is not None
    assert told.endswith("last")
    assert len(told) == 64 * 1024


def test_records_are_read(shelf: Shelf, folder: Folder) -> None:
    facts = {"controller": "c", "job": "17", "names": ["crew-c-1"], "instances": ["1"]}
    folder.write_record(facts)
    (shelf.directory / "no record").mkdir()
    assert shelf.records() == [(folder.path, facts)]
    assert shelf.record(folder.path) == facts
    assert shelf.record(shelf.directory / "none")["job"] is None


def test_without_any_folder_there_are_no_records(shelf: Shelf) -> None:
    assert shelf.records() == []
    shelf.prune()


def test_what_jobs_tell_is_read(shelf: Shelf, folder: Folder) -> None:
    assert shelf.told(folder.path) == {}
    (folder.path / "2.told").write_text("19\n")
    assert shelf.told(folder.path) == {2: "19\n"}
    folder.remove()
    assert shelf.told(folder.path) is None


def test_old_folders_are_pruned(shelf: Shelf, folder: Folder) -> None:
    young = shelf.folder(shelf.directory / "crew-c-2")
    young.make(["text"])
    os.utime(folder.path, (1, 1))
    shelf.prune()
    assert [path.name for path in shelf.directory.iterdir()] == ["crew-c-2"]


def test_directories_are_made(shelf: Shelf, tmp_path: Path) -> None:
    shelf.make_directory(tmp_path / "a" / "b")
    shelf.make_directory(tmp_path / "a" / "b")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Not a directory"):
        shelf.make_directory(tmp_path / "file" / "c")


# ── What is another there ──────────────────────────────────────────────────────────────────────


def test_folders_are_below_the_home_directory_there(login: Login) -> None:
    home = login.variables["HOME"]
    assert str(ShelfElsewhere(login, None).directory) == f"{home}/.local/state/crew/scripts"
    assert str(ShelfElsewhere(login, "~/jobs").directory) == f"{home}/jobs"
    with pytest.raises(ConfigError, match="directory of the login node"):
        ShelfElsewhere(login, "jobs")


def run(login: Login) -> RunElsewhere:
    def kept(variables: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in variables.items() if name != "SLURM_JOB_ID"}

    return RunElsewhere(login, kept, 20.0, {"sbatch": "cat"})


def test_commands_get_the_variables_there_without_those_of_a_job(login: Login) -> None:
    told = run(login)(["env"])
    assert f"HOME={login.variables['HOME']}\n" in told.stdout
    assert "SLURM_JOB_ID" not in told.stdout


def test_a_users_own_program_is_run_instead(login: Login) -> None:
    assert run(login)(["sbatch"], stdin=b"script").stdout == "script"


@pytest.mark.parametrize(
    ("error", "began", "transient"),
    [
        (LaunchError("not reached", transient=True), False, True),
        (LaunchError("no such program"), False, False),
        (TimeoutError("too slow"), True, False),
        (ConnectionError("it broke"), True, False),
    ],
)
def test_it_is_told_whether_a_command_may_have_done_something(
    login: Login, error: Exception, began: bool, transient: bool
) -> None:
    login.environment()
    login.error = error
    with pytest.raises(CommandError) as caught:
        run(login)(["sbatch"])
    assert (caught.value.began, caught.value.transient) == (began, transient)


def test_workers_start_without_what_is_on_this_computer(login: Login) -> None:
    argv = ("/here/python", "-m", "crew_core._worker", "--url", "tls+tcp://laptop:1", "--log", "/l")
    env = {"CREW_SECRET": "s", "CREW_SYS_PATH": "/here"}
    worker = WorkerLaunch(
        worker=1, instance="i", name="crew-c-i", argv=argv, env=env, log="/l", step=2
    )
    (there,) = beyond(LaunchRequest(workers=(worker,)), login).workers
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert there.argv == (python, "-m", "crew_core._worker", "--url", "tls+tcp://login:1")
    assert (dict(there.env), there.log, there.step) == ({"CREW_SECRET": "s"}, None, 2)


def test_programs_of_others_start_as_they_are(login: Login) -> None:
    worker = WorkerLaunch(worker=1, instance="i", name="crew-c-i", argv=("probe", "--url", "u"))
    assert beyond(LaunchRequest(workers=(worker,)), login).workers == (worker,)
