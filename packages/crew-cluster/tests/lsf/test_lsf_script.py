"""What options become in a script for LSF."""

from __future__ import annotations

import shlex
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew_cluster._cluster.job import Job
from crew_cluster._lsf import memory
from crew_cluster._lsf.launcher import LsfLauncher
from crew_cluster._lsf.options import LsfOptions
from crew_cluster._lsf.script import FIND_END, directives
from crew_core.plugins import ConfigError
from scripted.shell import complaints


def script(n: int = 1, **options: Any) -> str:
    return LsfLauncher(LsfOptions(**{"memory_unit": "KB", **options})).script(n)


def said(n: int = 1, **options: Any) -> list[str]:
    lines = script(n, **options).splitlines()
    return [line.removeprefix("#BSUB ") for line in lines if line.startswith("#BSUB")]


@pytest.mark.parametrize(
    ("options", "directive"),
    [
        ({"queue": "short"}, "-q short"),
        ({"account": "lab"}, "-P lab"),
        ({"qos": "gold"}, "-sla gold"),
        ({"reservation": "course"}, "-U course"),
        ({"cores": 4}, "-n 4"),
        ({"cores": 4}, '-R "span[hosts=1]"'),
        ({"memory_gigabytes_limit": 1}, "-M 1048576"),
        ({"memory_gigabytes_limit": 1, "memory_unit": "MB"}, "-M 1024"),
        ({"memory_gigabytes_limit": 1.1, "memory_unit": "GB"}, "-M 2"),
        ({"memory_gigabytes_required": 4}, '-R "rusage[mem=4096]"'),
        ({"memory_gigabytes_required": 4.1, "memory_unit": "GB"}, '-R "rusage[mem=5]"'),
        (
            {"memory_gigabytes_required": (1, 2), "cores": 2},
            '-R "rusage[mem=1024] span[hosts=1]"',
        ),
        ({"constraint": "intel && ncpus >= 8"}, '-R "select[(intel && ncpus >= 8)]"'),
        ({"exclude": "n1,n2"}, '-R "select[hname!=n1 && hname!=n2]"'),
        ({"walltime_minutes": 90}, "-W 90"),
        ({"walltime_minutes": 1.2}, "-W 2"),
        ({"gpus": 2}, '-gpu "num=2"'),
        ({"exclusive": True}, "-x"),
        ({"cwd": "/a b"}, '-cwd "/a b"'),
        ({}, '-o "/dev/null"'),
        ({"log_output": "logs/%J.%I"}, '-o "logs/%J.%I"'),
        ({"log_output": "o", "log_error": "e"}, '-e "e"'),
        ({"extra_directives": ("-B",)}, "-B"),
    ],
)
def test_an_option_is_a_directive(options: dict[str, Any], directive: str) -> None:
    assert directive in said(**options)


@pytest.mark.parametrize(
    ("options", "beginning"),
    [
        ({}, "-R"),
        ({}, "-M"),
        ({}, "-W"),
        ({}, "-n"),
        ({}, "-cwd"),
        ({}, "-e"),
        ({"gpus": 0}, "-gpu"),
        ({"cores": 4, "drop_directives": ("-R",)}, "-R"),
        ({"drop_directives": ("o",)}, "-o"),
    ],
)
def test_what_is_not_wanted_is_not_said(options: dict[str, Any], beginning: str) -> None:
    assert [line for line in said(**options) if line.split()[0] == beginning] == []


@pytest.mark.parametrize(
    "options",
    [
        {"log_error": "e"},
        {"log_output": "a#b"},
        {"log_output": 'a"b'},
        {"constraint": "a] rusage[mem=1"},
        {"constraint": 'a"'},
        {"memory_unit": "kilo"},
        {"memory_unit": 1},
        {"queue": "two words"},
        {"reservation": "user1#0"},
        {"cores": 0},
    ],
)
def test_what_cannot_be_said_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        LsfOptions(**options)


def test_several_workers_are_an_array() -> None:
    (line,) = [line for line in said(3, array_max=2) if line.startswith("-J")]
    assert line.endswith('-INSTANCE[1-3]%2"')


def test_more_than_the_site_takes_are_several_scripts() -> None:
    text = script(1001)
    lines = [line for line in text.splitlines() if line.startswith("#BSUB -J")]
    assert [line[-9:] for line in lines] == ['[1-1000]"', 'INSTANCE"']


def test_a_value_that_follows_at_once_replaces_ours() -> None:
    lines = said(cores=4, log_output="o", extra_directives=("-n8", "-oo log"))
    assert "-n 4" not in lines
    assert [line for line in lines if line.startswith("-o")] == ["-oo log"]


@pytest.mark.parametrize("line", ["-J x[1-3]", '-J"x[1-3]"'])
def test_nothing_else_can_make_it_an_array(line: str) -> None:
    with pytest.raises(ConfigError, match="array_size"):
        script(extra_directives=(line,))


TABLES = {
    "\nQUEUE: short\n\n RUNLIMIT                \n 5.0 min of vm      \n": 300,
    "\nQUEUE: long\n\nMAXIMUM LIMITS:\n CPULIMIT          RUNLIMIT         PROCLIMIT\n"
    " 90.0 min of vm           2.5 min of vm            8\n": 150,
    "DEFAULT LIMITS:\n RUNLIMIT\n 10.0 min\nMAXIMUM LIMITS:\n RUNLIMIT\n 60.0 min\n": 600,
    "QUEUE: RUNLIMIT\n  -- RUNLIMITS are 5 min here\n CPULIMIT\n 9.0 min of vm\n": None,
    " CPULIMIT  RUNLIMIT\n 9.0 min of vm\n": None,
    "": None,
}


@pytest.mark.parametrize(("told", "seconds"), TABLES.items())
def test_the_end_is_what_the_queue_says(tmp_path: Path, told: str, seconds: int | None) -> None:
    (tmp_path / "told").write_text(told)
    program = tmp_path / "bqueues"
    program.write_text(f'#!/bin/sh\n[ "$*" = "-l short" ] && cat {tmp_path}/told\n')
    program.chmod(0o700)
    lines = ["set -euo pipefail", *FIND_END, "echo ${CREW_JOB_END_TIME:-none}"]
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "LSB_QUEUE": "short"}
    before = time.time()
    end = subprocess.check_output(
        ["bash", "-c", "\n".join(lines)], text=True, env=environment
    ).strip()
    after = time.time()
    assert (end == "none") is (seconds is None)
    # The shell counts whole seconds, of the day and of its own life.
    assert seconds is None or before - 2 <= int(end) - seconds <= after + 2


def test_a_node_that_cannot_ask_runs_the_job_all_the_same() -> None:
    lines = ["set -euo pipefail", *FIND_END, "echo ${CREW_JOB_END_TIME:-none}"]
    environment = {"PATH": "/usr/bin:/bin"}
    told = subprocess.check_output(["bash", "-c", "\n".join(lines)], text=True, env=environment)
    assert told == "none\n"


def test_without_a_time_limit_the_queues_is_asked_for() -> None:
    assert FIND_END[0] in script()
    assert FIND_END[0] not in script(walltime_minutes=5)


# ── The unit of memory ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("LSF_UNIT_FOR_LIMITS=MB\n", "MB"),
        ("A=1\n  LSF_UNIT_FOR_LIMITS = GB # since May\nB=2\n", "GB"),
        ('LSF_UNIT_FOR_LIMITS="gb"\n', "GB"),
        ("LSF_UNIT_FOR_LIMITS=M\n", "MB"),
        ("LSF_UNIT_FOR_LIMITS=MB\nLSF_UNIT_FOR_LIMITS=GB\n", "GB"),
        ("#LSF_UNIT_FOR_LIMITS=MB\n", "KB"),
        ("LSF_UNIT_FOR_LIMITS=\n", "KB"),
        ("", "KB"),
    ],
)
def test_the_sites_unit_is_read(text: str, unit: str) -> None:
    assert memory.unit_in(text) == unit


def test_the_sites_unit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lsf.conf").write_text("LSF_UNIT_FOR_LIMITS=MB\n")
    monkeypatch.setenv("LSF_ENVDIR", str(tmp_path))
    assert "-M 2048" in said(memory_gigabytes_limit=2, memory_unit=None)


def test_a_site_that_does_not_tell_its_unit_has_the_usual_one(tmp_path: Path) -> None:
    assert memory.site_unit({"LSF_ENVDIR": str(tmp_path)}) == "KB"


@given(st.text())
def test_any_configuration_can_be_read(text: str) -> None:
    assert memory.unit_in(text) in memory.UNITS


@given(st.floats(1e-6, 1e6), st.sampled_from(memory.UNITS))
def test_nobody_gets_less_than_asked_for(gibibytes: float, unit: str) -> None:
    size = 2.0 ** (10 * memory.UNITS.index(unit) - 20)
    assert memory.limit(gibibytes, unit) * size >= gibibytes * (1 - 1e-9) - 1e-5 * size
    assert memory.reserved(gibibytes, unit) >= 1


# ── Any values ─────────────────────────────────────────────────────────────────────────────────

TEXT = st.text(min_size=1, max_size=30)
NUMBER = st.one_of(st.floats(), st.integers())
ANYTHING = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("queue", "account", "qos", "constraint", "reservation", "exclude"), TEXT),
        **dict.fromkeys(("log_output", "script_directory", "python", "cwd"), TEXT),
        **dict.fromkeys(("walltime_minutes", "memory_gigabytes_limit"), NUMBER),
        **dict.fromkeys(("cores", "gpus", "array_max"), st.integers()),
        "exclusive": st.booleans(),
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
    assert all(line.startswith("#BSUB ") for line in header[1:] if line)
    assert complaints(text) == ""


@given(ANYTHING)
def test_every_directive_is_an_option_and_one_value(options: dict[str, Any]) -> None:
    options.pop("script_directory", None)
    try:
        found = directives(LsfOptions(**options), Job("crew-c-i", 2, Path("/home/u/x")), "KB")
    except ConfigError:
        return
    for directive in found:
        assert "#" not in directive.text
        words = shlex.split(directive.text)
        assert words[0] == directive.key
        assert len(words) == (1 if directive.key == "-x" else 2)
