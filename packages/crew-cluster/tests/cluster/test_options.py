"""Options that cannot work are refused when they are given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crew_cluster._slurm.launcher import SlurmLauncher
from crew_cluster._slurm.options import SlurmOptions
from crew_core.plugins import ConfigError

WORDS = ("partition", "account", "qos", "constraint", "reservation", "exclude")
AMOUNTS = ("memory_gigabytes_required", "memory_gigabytes_per_cpu", "time_minutes")
COUNTS = ("cpus_per_task", "n_tasks", "array_size", "array_max")


def make(**options: Any) -> SlurmOptions:
    return SlurmOptions(**options)


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize(
    "value", ["", "two words", "a\nb", "a'b", 'a"b', "a\\b", "a#b", "a\tb", "-x"]
)
def test_a_word_that_could_mean_more_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        make(**{name: value})


@pytest.mark.parametrize("name", WORDS)
def test_a_word_is_text(name: str) -> None:
    with pytest.raises(TypeError, match=name):
        make(**{name: 1})


@pytest.mark.parametrize(
    "value", ["a,b", "intel&gpu", "[rack1|rack2]*2", "n[1-3,7]", "gpu:2", "a_b.c"]
)
def test_what_sites_write_is_a_word(value: str) -> None:
    assert SlurmOptions(constraint=value).constraint == value


@pytest.mark.parametrize("name", AMOUNTS)
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), 1e300, []])
def test_an_impossible_amount_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        make(**{name: value})


@pytest.mark.parametrize("name", [*AMOUNTS, *COUNTS, "gpus"])
@pytest.mark.parametrize("value", ["4", True, {}])
def test_an_amount_is_a_number(name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=name):
        make(**{name: value})


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [0, -3])
def test_an_impossible_count_is_refused(name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=name):
        make(**{name: value})


def test_no_gpus_are_none() -> None:
    assert SlurmOptions(gpus=0).gpus == 0


@pytest.mark.parametrize(
    "both",
    [
        ("time_minutes", "walltime_minutes"),
        ("memory_gigabytes_required", "memory_gigabytes_per_cpu"),
    ],
)
def test_two_names_for_one_thing_are_refused(both: tuple[str, str]) -> None:
    with pytest.raises(ConfigError, match=f"{both[0]} and {both[1]}"):
        make(**{both[0]: 1, both[1]: 2})


@pytest.mark.parametrize("lines", [("echo 'open",), ("if true; then",), ("cat <<END",), (")",)])
@pytest.mark.parametrize("name", ["script_lines", "script_lines_after"])
def test_lines_that_no_shell_can_read_are_refused(name: str, lines: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=name):
        make(**{name: lines})


def test_lines_may_belong_together() -> None:
    lines = ("if true; then", "  module load python", "fi")
    assert SlurmOptions(script_lines=lines).script_lines == lines


@pytest.mark.parametrize("line", ["a\0b", "a\r", "\ud800"])
def test_lines_that_no_file_can_hold_are_refused(line: str) -> None:
    with pytest.raises(ConfigError, match="script_lines"):
        SlurmOptions(script_lines=(line,))


def test_one_line_that_is_no_list_is_refused() -> None:
    with pytest.raises(TypeError, match="script_lines"):
        SlurmOptions(script_lines="module load python")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["a\nb", "a\0b", "\r"])
def test_a_directive_is_one_line(value: str) -> None:
    with pytest.raises(ConfigError, match="extra_directives"):
        SlurmOptions(extra_directives=(value,))


def test_a_shell_is_an_absolute_path() -> None:
    with pytest.raises(ConfigError, match="/bin/bash"):
        SlurmOptions(shell="bash")


def test_lists_become_tuples() -> None:
    options = SlurmOptions(memory_gigabytes_required=[4, 8])  # type: ignore[arg-type]
    assert options.memory_gigabytes_required == (4, 8)


def test_a_template_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        SlurmOptions(template=tmp_path / "none.sh")


@pytest.mark.parametrize(
    ("text", "why"), [("#!/bin/sh\n", "worker"), ("{{ worker }} {{ memory }}", "memory")]
)
def test_a_template_that_cannot_be_filled_is_refused(tmp_path: Path, text: str, why: str) -> None:
    template = tmp_path / "job.sh"
    template.write_text(text)
    with pytest.raises(ConfigError, match=why):
        SlurmOptions(template=template)


# ── Ladders ────────────────────────────────────────────────────────────────────────────────────


def test_options_without_lists_have_one_step() -> None:
    assert SlurmLauncher(SlurmOptions(cpus_per_task=4)).steps == 1


def test_each_step_takes_the_next_value_and_short_lists_their_last() -> None:
    options = SlurmOptions(memory_gigabytes_required=(4, 8, 16), cpus_per_task=(1, 2), gpus=1)
    launcher = SlurmLauncher(options)
    steps = [launcher.options_at(step) for step in range(launcher.steps + 1)]
    assert [step.memory_gigabytes_required for step in steps] == [4, 8, 16, 16]
    assert [step.cpus_per_task for step in steps] == [1, 2, 2, 2]
    assert [step.gpus for step in steps] == [1, 1, 1, 1]


@given(st.lists(st.floats(0.1, 1e6), min_size=1, max_size=6), st.integers(0, 10))
def test_every_step_is_one_of_the_list(amounts: list[float], step: int) -> None:
    options = SlurmOptions(time_minutes=tuple(amounts))
    assert (
        SlurmLauncher(options).options_at(step).time_minutes == amounts[min(step, len(amounts) - 1)]
    )


def test_a_worker_lives_as_long_as_its_job_may_run() -> None:
    launcher = SlurmLauncher(SlurmOptions(time_minutes=(1.5, 10)))
    assert [launcher.seconds_life(step) for step in (0, 1, 2)] == [120, 600, 600]
    assert SlurmLauncher().seconds_life(0) == float("inf")
