"""Real SLURM for tests, and launchers whose workers find this repository's code."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
from testbeds.slurm import SlurmBed

Options = dict[str, Any]
MakeController = Callable[..., crew.Controller]


@pytest.fixture
def on_slurm(slurm_bed: SlurmBed, monkeypatch: pytest.MonkeyPatch) -> SlurmBed:
    """SLURM's commands of this test go to the shared bed."""
    for name, value in slurm_bed.environment().items():
        monkeypatch.setenv(name, value)
    return slurm_bed


@pytest.fixture
def own_options(tmp_path: Path) -> Options:
    """Options that every launcher of a test needs here: where its files are, and crew itself."""
    return {"script_directory": tmp_path / "scripts", "script_lines": lines_for_workers()}


@pytest.fixture
def make(on_slurm: SlurmBed, own_options: Options) -> Iterator[MakeController]:
    """Make controllers on SLURM, which end with the test."""
    made: list[crew.Controller] = []

    def make(**options: Any) -> crew.Controller:
        controller = crew.controller("slurm", **{**own_options, **options})
        made.append(controller)
        return controller

    yield make
    for controller in made:
        controller.terminate()


def lines_for_workers() -> tuple[str, ...]:
    """Where tests run with a search path of their own, workers need it, too."""
    path = os.environ.get("PYTHONPATH")
    return (f"export PYTHONPATH='{path}'",) if path else ()
