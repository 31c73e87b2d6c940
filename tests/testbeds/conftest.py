"""Lets the tests import the testbeds, which are no distribution, and hands out their fixtures."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from testbeds.aloud import pytest_terminal_summary, pytest_testnodedown
from testbeds.fixtures import (
    aws_batch_bed,
    lsf_bed,
    make_bed,
    pbs_bed,
    sge_bed,
    slurm_apart,
    slurm_bed,
    ssh_apart,
    ssh_bed,
    torque_bed,
)

__all__ = [
    "aws_batch_bed",
    "lsf_bed",
    "make_bed",
    "pbs_bed",
    "pytest_terminal_summary",
    "pytest_testnodedown",
    "sge_bed",
    "slurm_apart",
    "slurm_bed",
    "ssh_apart",
    "ssh_bed",
    "torque_bed",
]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Schedulers write what jobs print to where these were submitted."""
    monkeypatch.chdir(tmp_path_factory.mktemp("submitted"))
