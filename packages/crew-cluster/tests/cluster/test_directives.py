"""What users drop, replace and add among the directives of a script."""

from __future__ import annotations

import pytest

from crew_cluster._cluster.directives import Dialect, Directive, arrange, refuse_own
from crew_core.plugins import ConfigError

LONG = Dialect("#SBATCH", aliases={"-p": "--partition", "-c": "--cpus-per-task"}, attached=True)
SHORT = Dialect("#$", several=frozenset({"-l"}))

GENERATED = [
    Directive("--partition", "--partition=short"),
    Directive("--mem", "--mem=4096M"),
    Directive("--mem-per-cpu", "--mem-per-cpu=1M"),
    Directive("--exclusive", "--exclusive"),
]
RESOURCES = [
    Directive("-N", "-N name"),
    Directive("-l h_rt", "-l h_rt=60"),
    Directive("-l m_mem_free", "-l m_mem_free=4G"),
]


def lines(
    *, drop: tuple[str, ...] = (), extra: tuple[str, ...] = (), own: tuple[str, ...] = ()
) -> list[str]:
    return arrange(GENERATED, LONG, drop=drop, extra=extra, lines=own)


def resources(*, drop: tuple[str, ...] = (), extra: tuple[str, ...] = ()) -> list[str]:
    return arrange(RESOURCES, SHORT, drop=drop, extra=extra)


def test_each_is_a_line_with_the_prefix() -> None:
    assert lines() == [
        "#SBATCH --partition=short",
        "#SBATCH --mem=4096M",
        "#SBATCH --mem-per-cpu=1M",
        "#SBATCH --exclusive",
    ]


@pytest.mark.parametrize("word", ["--mem", "mem", "#SBATCH --mem"])
def test_a_directive_is_dropped_by_any_of_its_names(word: str) -> None:
    assert lines(drop=(word,)) == [line for line in lines() if "--mem=" not in line]


@pytest.mark.parametrize("word", ["h_rt", "-l h_rt", "#$ -l h_rt"])
def test_a_resource_is_dropped_by_any_of_its_names(word: str) -> None:
    assert resources(drop=(word,)) == ["#$ -N name", "#$ -l m_mem_free=4G"]


def test_all_resources_are_dropped_at_once() -> None:
    assert resources(drop=("-l",)) == ["#$ -N name"]


def test_dropping_what_is_not_there_changes_nothing() -> None:
    assert lines(drop=("--time", "")) == lines()


def test_what_is_added_comes_last_with_the_prefix() -> None:
    assert lines(extra=("--mail-type=FAIL",))[-1] == "#SBATCH --mail-type=FAIL"


def test_what_has_the_prefix_does_not_get_another() -> None:
    assert lines(extra=("#SBATCH --mail-type=FAIL",))[-1] == "#SBATCH --mail-type=FAIL"


@pytest.mark.parametrize("text", ["--partition=long", "--partition long", "-p long", "-plong"])
def test_an_added_directive_replaces_the_generated_one(text: str) -> None:
    assert lines(extra=(text,)) == [*lines()[1:], f"#SBATCH {text}"]


def test_a_directive_among_shell_lines_replaces_the_generated_one() -> None:
    assert lines(own=("module load x", "#SBATCH -p long")) == lines()[1:]


def test_an_added_resource_replaces_only_itself() -> None:
    assert resources(extra=("-l h_rt=90",)) == [
        "#$ -N name",
        "#$ -l m_mem_free=4G",
        "#$ -l h_rt=90",
    ]


def test_several_resources_on_a_line_replace_each() -> None:
    assert resources(extra=("-l h_rt=90,m_mem_free=1G",)) == [
        "#$ -N name",
        "#$ -l h_rt=90,m_mem_free=1G",
    ]


def test_what_only_crew_can_say_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--array=1-3.*array_size"):
        refuse_own(LONG, ["--array"], ["--array=1-3"], "use array_size")
