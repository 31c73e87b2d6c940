"""What options become in a script for TORQUE."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew_cluster._cluster.folder import Folder
from crew_cluster._cluster.job import Handle, Job
from crew_cluster._cluster.shelf import Shelf
from crew_cluster._cluster.start import start_lines
from crew_cluster._torque import notes
from crew_cluster._torque.launcher import TorqueLauncher
from crew_cluster._torque.options import TorqueOptions
from crew_cluster._torque.scheduler import Torque
from crew_cluster._torque.script import DIALECT, directives
from crew_core.plugins import ConfigError
from scripted.requests import request
from scripted.shell import complaints


def script(n: int = 1, **options: Any) -> str:
    return TorqueLauncher(TorqueOptions(**options)).script(n)


def said(n: int = 1, **options: Any) -> list[str]:
    lines = script(n, **options).splitlines()
    return [line.removeprefix("#PBS ") for line in lines if line.startswith("#PBS")]


def command(**options: Any) -> list[str]:
    return Torque().submission(TorqueOptions(**options), Path("/x/script.sh"))


@pytest.mark.parametrize(
    ("options", "directive"),
    [
        ({"queue": "short"}, "-q short"),
        ({"account": "lab"}, "-A lab"),
        ({"cores": 4}, "-l nodes=1:ppn=4"),
        ({"cores": 4, "gpus": 2}, "-l nodes=1:ppn=4:gpus=2"),
        ({"constraint": "fast:big"}, "-l nodes=1:ppn=1:fast:big"),
        ({"memory_gigabytes_required": 2.40123}, "-l mem=2459mb"),
        ({}, "-l walltime=12:00:00"),
        ({"walltime_minutes": 90}, "-l walltime=01:30:00"),
        ({"qos": "high"}, "-l qos=high"),
        ({"reservation": "course.1"}, "-l advres=course.1"),
        ({"exclusive": True}, "-l naccesspolicy=singlejob"),
        ({}, "-o /dev/null"),
        ({}, "-j oe"),
        ({}, "-r n"),
        ({"extra_directives": ("-l mem=1gb,file=3gb",)}, "-l mem=1gb,file=3gb"),
    ],
)
def test_an_option_is_a_directive(options: dict[str, Any], directive: str) -> None:
    assert directive in said(**options)


@pytest.mark.parametrize(
    ("options", "beginning"),
    [
        ({}, "-l nodes"),
        ({"gpus": 0}, "-l nodes"),
        ({}, "-l mem"),
        ({}, "-t"),
        ({"walltime_hours": None}, "-l walltime"),
        ({"memory_gigabytes_required": 2, "drop_directives": ("mem",)}, "-l mem"),
    ],
)
def test_what_is_not_wanted_is_not_said(options: dict[str, Any], beginning: str) -> None:
    assert [line for line in said(**options) if line.startswith(beginning)] == []


def test_a_users_line_about_one_thing_replaces_that_alone() -> None:
    lines = said(cores=2, memory_gigabytes_required=2, extra_directives=("-l mem=1gb",))
    assert "-l mem=1gb" in lines
    assert "-l mem=2048mb" not in lines
    assert "-l nodes=1:ppn=2" in lines


def test_several_workers_are_an_array() -> None:
    assert "-t 1-3" in said(3)
    assert "-t 1-3%2" in said(3, array_max=2)


def test_nothing_else_can_make_it_an_array() -> None:
    with pytest.raises(ConfigError, match="array_size"):
        script(extra_directives=("-t 1-3",))


@pytest.mark.parametrize("option", ["log_output", "log_error", "script_directory"])
@pytest.mark.parametrize("path", ["/a b/o", "/a;b", "/`b`", "/$(b)", "/a|b", "-o"])
def test_no_path_means_something_to_a_shell(option: str, path: str) -> None:
    """SLURM's own ``qsub`` has one read its command line."""
    options: dict[str, Any] = {option: path}
    with pytest.raises(ConfigError, match=option):
        TorqueOptions(**options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, ["-o", "/dev/null", "-j", "oe"]),
        ({"log_output": "/a/$PBS_JOBID"}, ["-o", "/a/$PBS_JOBID", "-j", "oe"]),
        (
            {"log_output": "o", "log_error": "e", "log_join": False},
            ["-o", "o", "-e", "e", "-j", "n"],
        ),
        ({"extra_directives": ("-o x",)}, ["-j", "oe", "-o", "x"]),
        ({"extra_directives": ("-m abe",)}, ["-o", "/dev/null", "-j", "oe"]),
        ({"drop_directives": ("-o", "-j")}, []),
    ],
)
def test_the_command_says_where_output_goes(options: dict[str, Any], words: list[str]) -> None:
    """SLURM's own command of this name does not read that in a script."""
    assert command(**options) == ["qsub", *words, "/x/script.sh"]


def test_a_job_writes_down_its_number_and_how_it_ended(tmp_path: Path) -> None:
    workers = request(2).workers
    options = TorqueOptions(script_directory=tmp_path, python="/bin/false")
    job = Job("crew-CONTROLLER-INSTANCE", 2, tmp_path / "crew-INSTANCE")
    Folder(job.folder).make([start_lines(worker, "/bin/false") for worker in workers])
    text = TorqueLauncher(options).script(2)
    environment = {"PATH": os.environ["PATH"], "PBS_JOBID": "19", "PBS_ARRAY_INDEX": "2"}
    done = subprocess.run(["bash", "-c", text], env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 1
    handle = Handle("17", 2, 2, job.name, str(job.folder))
    assert notes.read_all(handle, Shelf(tmp_path)) == {2: notes.Note("19", 1)}


# ── Any values ─────────────────────────────────────────────────────────────────────────────────

TEXT = st.text(min_size=1, max_size=30)
NUMBER = st.one_of(st.floats(), st.integers())
ANYTHING = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("queue", "account", "qos", "constraint", "reservation"), TEXT),
        **dict.fromkeys(("log_output", "log_error", "script_directory", "python"), TEXT),
        **dict.fromkeys(
            ("walltime_hours", "walltime_minutes", "memory_gigabytes_required"), NUMBER
        ),
        **dict.fromkeys(("cores", "gpus", "array_max"), st.integers()),
        **dict.fromkeys(("exclusive", "cwd", "log_join"), st.booleans()),
        "extra_directives": st.lists(TEXT, max_size=3).map(tuple),
        "drop_directives": st.lists(TEXT, max_size=3).map(tuple),
    },
)


@given(ANYTHING, st.integers(1, 5))
def test_nothing_breaks_out_of_a_directive(options: dict[str, Any], n: int) -> None:
    try:
        text = script(n, **options)
    except ConfigError:
        return
    header = text[: text.index("\ncrew_folder=")].split("\n")
    assert header[0] == "#!/bin/bash"
    assert all(line.startswith("#PBS ") for line in header[1:] if line)
    assert complaints(text) == ""


@given(ANYTHING)
def test_every_directive_is_one_option_and_its_value(options: dict[str, Any]) -> None:
    options.pop("script_directory", None)
    try:
        own = TorqueOptions(**options)
    except ConfigError:
        return
    for directive in directives(own, Job("crew-i", 2, Path("/home/u/x"))):
        option, value = shlex.split(directive.text)
        assert value
        assert directive.key in (option, f"{option} {value.partition('=')[0]}")
        assert directive.key in DIALECT.keys(directive.text)
    assert Torque().submission(own, Path("/x"))[-1] == "/x"
