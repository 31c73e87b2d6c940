"""Checks that the distributions live together in one environment."""

from __future__ import annotations

import json
import sysconfig
from collections import Counter
from importlib.metadata import distribution
from pathlib import Path
from subprocess import run

import pytest

DISTRIBUTIONS: dict[str, set[str]] = {
    "crew-core": {"local"},
    "crew-cluster": {"slurm", "sge", "lsf", "pbs", "torque"},
    "crew-aws-batch": {"aws_batch"},
    "crew-ssh": {"ssh"},
    "crew-rush": set(),
}


def test_no_file_belongs_to_two_distributions() -> None:
    owners = Counter(str(file) for name in DISTRIBUTIONS for file in distribution(name).files or ())
    assert owners
    assert [file for file, count in owners.items() if count > 1] == []


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_types_are_published(name: str) -> None:
    files = {str(file) for file in distribution(name).files or ()}
    assert f"{name.replace('-', '_')}/py.typed" in files


def test_crew_lists_the_launchers_of_all() -> None:
    crew = Path(sysconfig.get_path("scripts")) / "crew"
    answer = run([crew, "launchers", "--json"], check=True, capture_output=True, text=True)
    listed = {
        launcher["name"]: (launcher["package"], launcher["version"])
        for launcher in json.loads(answer.stdout)
    }
    expected = {
        launcher: (package, distribution(package).version)
        for package, launchers in DISTRIBUTIONS.items()
        for launcher in launchers
    }
    assert expected.items() <= listed.items()
