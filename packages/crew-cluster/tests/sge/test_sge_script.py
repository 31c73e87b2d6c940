"""What options become in a script for Grid Engine."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew_cluster._cluster.job import Job
from crew_cluster._sge.launcher import SgeLauncher
from crew_cluster._sge.options import SgeOptions
from crew_cluster._sge.script import FIND_END, directives, quote
from crew_core.plugins import ConfigError
from scripted.shell import complaints


def script(n: int = 1, **options: Any) -> str:
    return SgeLauncher(SgeOptions(**options)).script(n)


def said(n: int = 1, **options: Any) -> list[str]:
    lines = script(n, **options).splitlines()
    return [line.removeprefix("#$ ") for line in lines if line.startswith("#$")]


@pytest.mark.parametrize(
    ("options", "directive"),
    [
        ({"queue": "short.q,long.q"}, "-q short.q,long.q"),
        ({"memory_gigabytes_limit": 2.40123}, "-l h_rss=2459M"),
        ({"memory_gigabytes_required": 4}, "-l m_mem_free=4096M"),
        ({"memory_gigabytes_required": (4, 8)}, "-l m_mem_free=4096M"),
        ({"memory_gigabytes_limit": 1, "memory_limit_resource": "h_vmem"}, "-l h_vmem=1024M"),
        ({"memory_gigabytes_required": 1, "memory_resource": "mem_free"}, "-l mem_free=1024M"),
        ({"cores": 4}, "-pe smp 4"),
        ({"cores": 4, "parallel_environment": "mpi"}, "-pe mpi 4"),
        ({"gpu": 1}, "-l gpu=1"),
        ({"gpus": (1, 2)}, "-l gpu=1"),
        ({"gpus": 1, "gpu_resource": "ngpus"}, "-l ngpus=1"),
        ({"walltime_minutes": 90}, "-l h_rt=5400"),
        ({"walltime_minutes": 0.05}, "-l h_rt=3"),
        ({"exclusive": True}, "-l exclusive=true"),
        ({"constraint": "arch=lx-amd64,ssd"}, "-l arch=lx-amd64"),
        ({"constraint": "arch=lx-amd64,ssd"}, "-l ssd=true"),
        ({"exclude": "n1,n2"}, "-l hostname=!(n1|n2)"),
        ({"account": "lab"}, "-P lab"),
        ({"reservation": "5"}, "-ar 5"),
        ({}, "-cwd"),
        ({"envvars": True}, "-V"),
        ({}, "-r n"),
        ({}, "-notify"),
        ({}, "-S /bin/bash"),
        ({"shell": "/bin/zsh -l"}, "-S /bin/zsh"),
        ({}, "-o /dev/null"),
        ({}, "-j y"),
        ({"log_output": "logs/$JOB_ID.$TASK_ID"}, "-o logs/$JOB_ID.$TASK_ID"),
        ({"log_output": "/a b/x"}, '-o "/a b/x"'),
        ({"log_output": "o", "log_error": "e"}, "-e e"),
        ({"log_output": "o", "log_error": "e"}, "-j n"),
        ({"log_output": "o"}, "-j y"),
        ({"extra_directives": ("-m e",)}, "-m e"),
    ],
)
def test_an_option_is_a_directive(options: dict[str, Any], directive: str) -> None:
    assert directive in said(**options)


@pytest.mark.parametrize(
    ("options", "beginning"),
    [
        ({}, "-t"),
        ({}, "-tc"),
        ({}, "-pe"),
        ({}, "-q"),
        ({}, "-l"),
        ({"gpus": 0}, "-l"),
        ({"gpu": 0}, "-l"),
        ({}, "-V"),
        ({"cwd": False}, "-cwd"),
        ({}, "-e"),
        ({"walltime_minutes": 5, "drop_directives": ("h_rt",)}, "-l"),
        ({"drop_directives": ("-r",)}, "-r"),
        ({"drop_directives": ("notify",)}, "-notify"),
    ],
)
def test_what_is_not_wanted_is_not_said(options: dict[str, Any], beginning: str) -> None:
    assert [line for line in said(**options) if line.split()[0] == beginning] == []


@pytest.mark.parametrize(
    "options",
    [
        {"gpu": 1, "gpus": 1},
        {"log_error": "e"},
        {"log_join": False},
        {"log_output": "o", "log_error": "e", "log_join": True},
        {"log_output": "a,b"},
        {"log_output": "host:path"},
        {"log_output": "a#b"},
        {"log_output": 'a"b'},
        {"log_output": "-x"},
        {"shell": "/bin/a'b"},
        {"queue": "two words"},
        {"cores": 0},
    ],
)
def test_what_cannot_be_said_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        SgeOptions(**options)


def test_several_workers_are_an_array() -> None:
    lines = said(3, array_max=2)
    assert "-t 1-3" in lines
    assert "-tc 2" in lines


def test_a_line_of_the_users_about_a_resource_replaces_ours_about_it_only() -> None:
    lines = said(
        walltime_minutes=5, memory_gigabytes_limit=1, extra_directives=("#$ -l h_rss=9G,ssd",)
    )
    assert [line for line in lines if line.startswith("-l")] == ["-l h_rt=300", "-l h_rss=9G,ssd"]


def test_nothing_else_can_make_it_an_array() -> None:
    with pytest.raises(ConfigError, match="array_size"):
        script(extra_directives=("-t 1-3",))


def test_without_a_time_limit_the_queues_is_asked_for() -> None:
    assert FIND_END[0] in script()
    assert FIND_END[0] not in script(walltime_minutes=5)


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("qname short.q\ns_rt INFINITY\nh_rt 0:05:00\nh_cpu 0:01:00\n", 300),
        ("h_rt INFINITY\n", None),
        ("h_rt INFINITY,[n1=01:00:00]\n", None),
        ("", None),
    ],
)
def test_the_end_is_what_the_queue_says(tmp_path: Path, told: str, seconds: int | None) -> None:
    (tmp_path / "told").write_text(told)
    program = tmp_path / "qconf"
    program.write_text(f"#!/bin/sh\ncat {tmp_path}/told; [ -s {tmp_path}/told ]\n")
    program.chmod(0o700)
    lines = ["set -euo pipefail", *FIND_END, "echo ${CREW_JOB_END_TIME:-none} $(date +%s)"]
    environment = {"PATH": "/usr/bin:/bin", "SGE_BINARY_PATH": str(tmp_path), "QUEUE": "short.q"}
    end, now = subprocess.check_output(
        ["bash", "-c", "\n".join(lines)], text=True, env=environment
    ).split()
    assert (end == "none") is (seconds is None)
    # The clock goes on between the two.
    assert seconds is None or abs(int(end) - int(now) - seconds) <= 30


def test_a_worker_of_an_array_knows_its_place() -> None:
    assert "crew_place=$SGE_TASK_ID" in script(2)
    assert "crew_place=1" in script(1)


# ── Any values ─────────────────────────────────────────────────────────────────────────────────

TEXT = st.text(min_size=1, max_size=30)
NUMBER = st.one_of(st.floats(), st.integers())
ANYTHING = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("queue", "account", "constraint", "reservation", "exclude"), TEXT),
        **dict.fromkeys(("memory_limit_resource", "gpu_resource", "parallel_environment"), TEXT),
        **dict.fromkeys(("log_output", "script_directory", "python"), TEXT),
        **dict.fromkeys(("walltime_minutes", "memory_gigabytes_limit"), NUMBER),
        **dict.fromkeys(("cores", "gpus", "array_max"), st.integers()),
        **dict.fromkeys(("exclusive", "cwd", "envvars"), st.booleans()),
        "shell": TEXT.map("/bin/".__add__),
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
    assert header[0].startswith("#!/bin/")
    assert all(line.startswith("#$ ") for line in header[1:] if line)
    assert complaints(text) == ""


@given(ANYTHING)
def test_every_directive_is_about_its_own_option(options: dict[str, Any]) -> None:
    options.pop("script_directory", None)
    try:
        found = directives(SgeOptions(**options), Job("crew-c-i", 2, Path("/home/u/x")))
    except ConfigError:
        return
    for directive in found:
        assert directive.text.startswith(directive.key)
        assert "#" not in directive.text
        assert directive.text.count('"') in (0, 2)


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1))
def test_qsub_reads_back_what_was_quoted(path: str) -> None:
    try:
        SgeOptions(log_output=path)
    except ConfigError:
        return
    line = quote(path)
    assert (line[1:-1] if line.startswith('"') else line.split()[0]) == path
