"""What options become in a script for PBS."""

from __future__ import annotations

import math
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew_cluster._cluster.job import Job
from crew_cluster._pbs.launcher import PbsLauncher
from crew_cluster._pbs.options import PbsOptions
from crew_cluster._pbs.scheduler import Pbs
from crew_cluster._pbs.script import DIALECT, directives, quote
from crew_core.plugins import ConfigError
from scripted.shell import complaints


def script(n: int = 1, **options: Any) -> str:
    return PbsLauncher(PbsOptions(**options)).script(n)


def said(n: int = 1, **options: Any) -> list[str]:
    lines = script(n, **options).splitlines()
    return [line.removeprefix("#PBS ") for line in lines if line.startswith("#PBS")]


@pytest.mark.parametrize(
    ("options", "directive"),
    [
        ({"queue": "short"}, "-q short"),
        ({"queue": "short@big"}, "-q short@big"),
        ({"reservation": "R123"}, "-q R123"),
        ({"account": "lab"}, "-A lab"),
        ({"project": "maps"}, "-P maps"),
        ({"cores": 4}, "-l select=1:ncpus=4"),
        ({"memory_gigabytes_required": 2.40123}, "-l select=1:ncpus=1:mem=2459mb"),
        ({"cores": 2, "memory_gigabytes_required": 4}, "-l select=1:ncpus=2:mem=4096mb"),
        ({"gpus": 2}, "-l select=1:ncpus=1:ngpus=2"),
        ({"constraint": "arch=linux:fast=True"}, "-l select=1:ncpus=1:arch=linux:fast=True"),
        ({"exclusive": True}, "-l select=1:ncpus=1"),
        ({"exclusive": True}, "-l place=exclhost"),
        ({}, "-l walltime=12:00:00"),
        ({"walltime_hours": 1.5}, "-l walltime=01:30:00"),
        ({"walltime_hours": 0.00001}, "-l walltime=00:00:01"),
        ({"walltime_hours": 240}, "-l walltime=240:00:00"),
        ({"walltime_minutes": 90}, "-l walltime=01:30:00"),
        ({"walltime_hours": (2, 4)}, "-l walltime=02:00:00"),
        ({"memory_gigabytes_required": (4, 8)}, "-l select=1:ncpus=1:mem=4096mb"),
        ({}, "-o /dev/null"),
        ({}, "-j oe"),
        ({"log_output": "/a b/x,y:z"}, r"-o /a\ b/x,y:z"),
        ({"log_output": "logs/"}, "-o logs/"),
        ({"log_output": "/x/^array_index^.out"}, "-o /x/^array_index^.out"),
        ({"log_output": "o", "log_error": "e", "log_join": False}, "-e e"),
        ({"log_output": "o", "log_error": "e", "log_join": False}, "-j n"),
        ({"log_output": "o", "log_join": False}, "-j oe"),
        ({}, "-r n"),
        ({}, "-m n"),
        ({"extra_directives": ("-W umask=022",)}, "-W umask=022"),
        ({"extra_directives": ("#PBS -m abe",)}, "-m abe"),
    ],
)
def test_an_option_is_a_directive(options: dict[str, Any], directive: str) -> None:
    assert directive in said(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"walltime_hours": None},
        {"extra_directives": ("-l walltime=00:05:00",)},
        {"extra_directives": ("#PBS -l place=pack,walltime=60",)},
        {"script_lines": ("#PBS -l walltime=00:05:00",)},
        {"drop_directives": ("walltime",)},
    ],
)
def test_a_job_asks_how_long_it_may_run_where_the_options_do_not_say(
    options: dict[str, Any],
) -> None:
    launcher = PbsLauncher(PbsOptions(**options))
    assert launcher.seconds_life(0) == math.inf
    assert "CREW_JOB_END_TIME" in launcher.script()


def test_a_job_whose_options_say_how_long_it_may_run_asks_nobody() -> None:
    launcher = PbsLauncher(PbsOptions(walltime_hours=2, script_lines=("echo -l walltime=1",)))
    assert launcher.seconds_life(0) == 7200
    assert "CREW_JOB_END_TIME" not in launcher.script()


@pytest.mark.parametrize(
    ("options", "beginning"),
    [
        ({}, "-l select"),
        ({"gpus": 0}, "-l select"),
        ({}, "-l place"),
        ({}, "-q"),
        ({}, "-J"),
        ({}, "-e"),
        ({"walltime_hours": None}, "-l walltime"),
        ({"drop_directives": ("walltime",)}, "-l walltime"),
        ({"drop_directives": ("-l",), "cores": 2}, "-l"),
        ({"drop_directives": ("-r",)}, "-r"),
        ({"drop_directives": ("#PBS -m",)}, "-m"),
    ],
)
def test_what_is_not_wanted_is_not_said(options: dict[str, Any], beginning: str) -> None:
    assert [line for line in said(**options) if line.startswith(beginning)] == []


def test_several_workers_are_an_array() -> None:
    assert "-J 1-3" in said(3)
    assert "-J 1-3%2" in said(3, array_max=2)


def test_an_array_does_not_say_that_it_must_not_run_again() -> None:
    """PBS does not take that."""
    assert "-r n" not in said(3)


def test_a_name_has_fifteen_characters() -> None:
    assert "-N crew-INSTANCE" in said()
    assert len(PbsLauncher(PbsOptions()).scheduler().job_name("crew-my-run-0123456789abcdef")) == 15


@pytest.mark.parametrize(
    "extra", ["-l ncpus=4,mem=4gb", "-l nodes=1:ppn=4", "-lmem=4gb", "-q x -l vmem=4gb"]
)
def test_old_ways_to_ask_for_nodes_replace_the_new_one(extra: str) -> None:
    """PBS refuses both together."""
    lines = said(cores=2, exclusive=True, extra_directives=(extra,))
    assert [line for line in lines if "select" in line or "place" in line] == []
    assert "-l walltime=12:00:00" in lines


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("-N x", ["-N"]),
        ("-Nx", ["-N"]),
        ("#PBS -q x -A y", ["-q", "-A"]),
        ("-h -q x", ["-h", "-q"]),
        ("-l walltime=1:00:00,place=free", ["-l walltime", "-l place"]),
        ("-l select=2:ncpus=4+1:ncpus=1", ["-l select"]),
        ("-l", []),
        ("-", []),
        ("", []),
    ],
)
def test_a_line_of_the_users_may_say_several_things(line: str, keys: list[str]) -> None:
    assert DIALECT.keys(line) == keys


@pytest.mark.parametrize("extra", ["-J 1-3", "-J1-3", "-q x -J 1-3", "#PBS -J 1-3"])
def test_nothing_else_can_make_it_an_array(extra: str) -> None:
    with pytest.raises(ConfigError, match="array_size"):
        script(extra_directives=(extra,))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"queue": "q", "reservation": "r"}, "queue and reservation"),
        ({"log_error": "e"}, "log_join=False"),
        ({"log_error": "e", "log_join": False}, "log_output"),
        ({"constraint": "a=b+2:ncpus=9"}, "constraint"),
        ({"constraint": "a=b,walltime=1"}, "constraint"),
        ({"queue": "two words"}, "queue"),
        ({"cores": 0}, "cores"),
        ({"walltime_hours": 0}, "walltime_hours"),
        ({"walltime_hours": ()}, "walltime_hours"),
    ],
)
def test_what_cannot_be_is_refused_at_once(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        PbsOptions(**options)


def test_workers_start_where_the_controller_runs_unless_told_otherwise() -> None:
    assert 'cd -- "${PBS_O_WORKDIR:-.}" || :' in script().splitlines()
    assert "PBS_O_WORKDIR" not in script(cwd=False)


def test_no_line_of_ours_ends_a_script_that_minds_failures() -> None:
    lines = Pbs().before_start(PbsOptions(walltime_hours=None))
    text = "\n".join(["set -euo pipefail", *lines, "echo reached"])
    variables = {"PATH": "/usr/bin:/bin", "PBS_JOBID": "7.vm", "PBS_O_WORKDIR": "/no/such/folder"}
    done = subprocess.run(["bash", "-c", text], env=variables, stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"reached\n"


def test_a_job_without_a_time_of_the_users_asks_for_its_own() -> None:
    assert "Resource_List.walltime" in script(walltime_hours=None)
    assert "Resource_List.walltime" not in script()


# ── Any values ─────────────────────────────────────────────────────────────────────────────────

TEXT = st.text(min_size=1, max_size=30)
NUMBER = st.one_of(st.floats(), st.integers())
WORDS = ("queue", "account", "project", "constraint", "reservation")
ANYTHING = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(WORDS, TEXT),
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


@given(st.text(st.characters(categories=["L", "N", "P", "S"], include_characters=" ")))
def test_qsub_reads_back_what_was_quoted(value: str) -> None:
    assert shlex.split(f"-o {quote(value)}") == (["-o", value] if value else ["-o"])


@given(ANYTHING)
def test_every_directive_is_one_option_and_its_value(options: dict[str, Any]) -> None:
    options.pop("script_directory", None)
    try:
        found = directives(PbsOptions(**options), Job("crew-i", 2, Path("/home/u/x")))
    except ConfigError:
        return
    for directive in found:
        option, value = shlex.split(directive.text)
        assert value
        assert directive.key in (option, f"{option} {value.partition('=')[0]}")
        assert directive.key in DIALECT.keys(directive.text)
