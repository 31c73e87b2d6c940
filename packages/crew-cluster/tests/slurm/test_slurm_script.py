"""What options become in a script for SLURM."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew_cluster._cluster.job import Job
from crew_cluster._slurm.launcher import SlurmLauncher
from crew_cluster._slurm.options import SlurmOptions
from crew_cluster._slurm.script import FIND_END, directives, quote
from crew_core.plugins import ConfigError
from scripted.shell import complaints


def script(n: int = 1, **options: Any) -> str:
    return SlurmLauncher(SlurmOptions(**options)).script(n)


def said(n: int = 1, **options: Any) -> list[str]:
    lines = script(n, **options).splitlines()
    return [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")]


@pytest.mark.parametrize(
    ("options", "directive"),
    [
        ({"partition": "short,long"}, "--partition=short,long"),
        ({"memory_gigabytes_required": 2.40123}, "--mem=2459M"),
        ({"memory_gigabytes_required": 4}, "--mem=4096M"),
        ({"memory_gigabytes_per_cpu": 0.1}, "--mem-per-cpu=103M"),
        ({"cpus_per_task": 4}, "--cpus-per-task=4"),
        ({"time_minutes": 90}, "--time=90"),
        ({"time_minutes": 1.2}, "--time=2"),
        ({"walltime_minutes": 90}, "--time=90"),
        ({"n_tasks": 2}, "--ntasks=2"),
        ({}, "--ntasks=1"),
        ({"log_output": "log_%A_%a.txt"}, "--output=log_%A_%a.txt"),
        ({"log_error": "/dev/null"}, "--error=/dev/null"),
        ({"log_output": "/a b/x"}, '--output="/a b/x"'),
        ({"log_output": 'a"b#c\\d'}, r'--output="a\"b\#c\\d"'),
        ({"account": "lab"}, "--account=lab"),
        ({"qos": "high"}, "--qos=high"),
        ({"gpus": 2}, "--gres=gpu:2"),
        ({"constraint": "intel&gpu"}, "--constraint=intel&gpu"),
        ({"reservation": "course"}, "--reservation=course"),
        ({"exclude": "n[1-3]"}, "--exclude=n[1-3]"),
        ({"exclusive": True}, "--exclusive"),
        ({}, "--no-requeue"),
        ({"extra_directives": ("--mail-type=FAIL",)}, "--mail-type=FAIL"),
        ({"memory_gigabytes_required": (4, 8)}, "--mem=4096M"),
    ],
)
def test_an_option_is_a_directive(options: dict[str, Any], directive: str) -> None:
    assert directive in said(**options)


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({}, "--mem"),
        ({}, "--time"),
        ({}, "--partition"),
        ({}, "--exclusive"),
        ({}, "--gres"),
        ({"gpus": 0}, "--gres"),
        ({"n_tasks": None}, "--ntasks"),
        ({}, "--array"),
        ({"drop_directives": ("--no-requeue",)}, "--no-requeue"),
        ({"partition": "p", "drop_directives": ("partition",)}, "--partition"),
    ],
)
def test_what_is_not_wanted_is_not_said(options: dict[str, Any], option: str) -> None:
    assert [line for line in said(**options) if line.partition("=")[0] == option] == []


def test_several_workers_are_an_array() -> None:
    assert "--array=1-3" in said(3)
    assert "--array=1-3%2" in said(3, array_max=2)


def test_workers_of_an_array_write_to_files_of_their_own(tmp_path: Path) -> None:
    folder = f"{tmp_path}/crew-CONTROLLER-INSTANCE"
    assert f"--output={folder}/%a.out" in said(2, script_directory=tmp_path)
    assert f"--output={folder}/1.out" in said(1, script_directory=tmp_path)


def test_a_folder_that_looks_like_a_pattern_is_none(tmp_path: Path) -> None:
    (line,) = [line for line in said(2, script_directory=tmp_path / "%j") if "--output" in line]
    assert "/%%j/" in line


def test_more_than_the_site_takes_are_several_scripts() -> None:
    text = script(5, array_size=2)
    assert [line for line in text.splitlines() if "--array" in line] == ["#SBATCH --array=1-2"] * 2
    assert text.count("#!/bin/bash") == 3


@pytest.mark.parametrize(
    "options",
    [{"extra_directives": ("-a 1-3",)}, {"script_lines": ("true\n#SBATCH --array=1-3",)}],
)
def test_nothing_else_can_make_it_an_array(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="array_size"):
        script(**options)


def test_directives_among_the_users_lines_replace_ours() -> None:
    """As people have them who come from crew for R."""
    shown = said(partition="short", script_lines=("#SBATCH --partition=long", "module load x"))
    assert [line for line in shown if "partition" in line] == ["--partition=long"]


@pytest.mark.parametrize("n", [0, -1, 1.5, "1", True])
def test_a_script_is_for_a_number_of_workers(n: Any) -> None:
    with pytest.raises(ConfigError, match="script"):
        script(n)


@pytest.mark.parametrize(
    ("squeue", "told"),
    [
        ("exit 1", ""),
        ("echo NONE", ""),
        ("echo 2026-11-22T10:00:00", "1795341600"),
    ],
)
def test_the_end_of_a_job_is_looked_up_and_nothing_ends_it_before(
    tmp_path: Path, squeue: str, told: str
) -> None:
    (tmp_path / "squeue").write_text(f"#!/bin/sh\n{squeue}\n")
    (tmp_path / "squeue").chmod(0o700)
    lines = ["set -eu", *FIND_END, 'echo "${CREW_JOB_END_TIME:-}"']
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_JOB_ID": "7", "TZ": "UTC"}
    shown = subprocess.run(
        ["/bin/bash"], input="\n".join(lines), env=env, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == told


EVERYTHING: dict[str, Any] = {
    "log_error": "/dev/null",
    "partition": "p",
    "account": "a",
    "qos": "q",
    "reservation": "r",
    "constraint": "c",
    "exclude": "x",
    "cpus_per_task": 2,
    "memory_gigabytes_required": 1,
    "gpus": 1,
    "time_minutes": 5,
    "exclusive": True,
}
ALL = [line.partition("=")[0] for line in said(2, **EVERYTHING)]


@pytest.mark.parametrize("option", ALL)
def test_any_directive_can_be_dropped(option: str) -> None:
    shown = said(2, **EVERYTHING, drop_directives=(option,))
    kept = [name for name in ALL if name != option]
    assert [line.partition("=")[0] for line in shown[: len(kept)]] == kept


@pytest.mark.parametrize("option", [name for name in ALL if name != "--array"])
def test_any_directive_can_be_another(option: str) -> None:
    shown = said(2, **EVERYTHING, extra_directives=(f"{option}=mine",))
    assert [line for line in shown if line.partition("=")[0] == option] == [f"{option}=mine"]


# ── Any values ─────────────────────────────────────────────────────────────────────────────────

TEXT = st.text(min_size=1, max_size=30)
NUMBER = st.one_of(st.floats(), st.integers())
ANYTHING = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(
            ("partition", "account", "qos", "constraint", "reservation", "exclude"), TEXT
        ),
        **dict.fromkeys(("log_output", "log_error", "script_directory", "python"), TEXT),
        **dict.fromkeys(("time_minutes", "memory_gigabytes_required"), NUMBER),
        **dict.fromkeys(("cpus_per_task", "gpus", "n_tasks", "array_max"), st.integers()),
        "exclusive": st.booleans(),
        **dict.fromkeys(
            ("script_lines", "script_lines_after"), st.lists(TEXT, max_size=2).map(tuple)
        ),
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
    assert all(line.startswith("#SBATCH ") for line in header[1:] if line)
    assert complaints(text) == ""


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_sbatch_reads_back_what_was_quoted(value: str) -> None:
    assert reads(f"--output={quote(value)} # a comment") == f"--output={value}"


def reads(line: str) -> str:
    """The first word of a directive, as sbatch takes it apart."""
    word, quoting = "", ""
    characters = iter(line)
    for character in characters:
        if character.isspace() and not quoting:
            break
        if character == "\\":
            word += next(characters)
        elif character == "#":
            break
        elif character in "'\"" and quoting in ("", character):
            quoting = "" if quoting else character
        else:
            word += character
    return word


@given(ANYTHING)
def test_every_directive_is_one_word_or_the_users(options: dict[str, Any]) -> None:
    options.pop("script_directory", None)
    try:
        found = directives(SlurmOptions(**options), Job("crew-c-i", 2, Path("/home/u/x")))
    except ConfigError:
        return
    for directive in found:
        assert re.fullmatch(r"--[a-z-]+(=.*)?", directive.text)
        assert directive.text.partition("=")[0] == directive.key
        assert len(shlex.split(directive.text)) == 1
