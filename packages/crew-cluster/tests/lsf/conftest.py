"""A stand-in for LSF for tests, and launchers whose workers find this repository's code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
from scenarios.workers import lines_for_workers
from testbeds.lsf import LsfBed

Options = dict[str, Any]
MakeController = Callable[..., crew.Controller]


@pytest.fixture
def on_lsf(lsf_bed: LsfBed, monkeypatch: pytest.MonkeyPatch) -> LsfBed:
    """LSF's commands of this test go to the shared bed."""
    for name, value in lsf_bed.environment().items():
        monkeypatch.setenv(name, value)
    return lsf_bed


@pytest.fixture
def own_options(tmp_path: Path) -> Options:
    """Options that every launcher of a test needs here: where its files are, and crew itself."""
    return {"script_directory": tmp_path / "scripts", "script_lines": lines_for_workers()}


@pytest.fixture
def make(on_lsf: LsfBed, own_options: Options) -> Iterator[MakeController]:
    """Make controllers on LSF, which end with the test."""
    made: list[crew.Controller] = []

    def make(**options: Any) -> crew.Controller:
        controller = crew.controller("lsf", **{**own_options, **options})
        made.append(controller)
        return controller

    yield make
    for controller in made:
        controller.terminate()
