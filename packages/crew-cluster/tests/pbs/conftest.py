"""The stand-in for PBS, and launchers whose workers find this repository's code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
from slurm.conftest import lines_for_workers
from testbeds.fixtures import brought_up
from testbeds.pbs import PbsBed, PbsOptions

Options = dict[str, Any]
MakeController = Callable[..., crew.Controller]


@pytest.fixture(scope="session")
def quick_pbs() -> Iterator[PbsBed]:
    """A site that looks after memory, and waits little for jobs to die."""
    options = PbsOptions(
        nodes=2, enforce_memory=True, seconds_memory=2.0, seconds_to_die=2.0, seconds_helper=5.0
    )
    with brought_up(PbsBed, options) as bed:
        yield bed


@pytest.fixture
def on_pbs(quick_pbs: PbsBed, monkeypatch: pytest.MonkeyPatch) -> PbsBed:
    """PBS's commands of this test go to the shared bed."""
    for name, value in quick_pbs.environment().items():
        monkeypatch.setenv(name, value)
    return quick_pbs


@pytest.fixture
def own_options(tmp_path: Path) -> Options:
    """Options that every launcher of a test needs here: where its files are, and crew itself."""
    return {"script_directory": tmp_path / "scripts", "script_lines": lines_for_workers()}


@pytest.fixture
def make(on_pbs: PbsBed, own_options: Options) -> Iterator[MakeController]:
    """Make controllers on PBS, which end with the test."""
    made: list[crew.Controller] = []

    def make(**options: Any) -> crew.Controller:
        controller = crew.controller("pbs", **{**own_options, **options})
        made.append(controller)
        return controller

    yield make
    for controller in made:
        controller.terminate()
