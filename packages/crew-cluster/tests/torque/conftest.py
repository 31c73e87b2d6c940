"""SLURM with TORQUE's commands, and launchers whose workers find this repository's code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
from slurm.conftest import lines_for_workers
from testbeds.fixtures import brought_up
from testbeds.torque import TorqueBed, TorqueOptions

Options = dict[str, Any]
MakeController = Callable[..., crew.Controller]


@pytest.fixture(scope="session")
def two_nodes() -> Iterator[TorqueBed]:
    """A site with two nodes."""
    with brought_up(TorqueBed, TorqueOptions(nodes=2)) as bed:
        yield bed


@pytest.fixture
def on_torque(two_nodes: TorqueBed, monkeypatch: pytest.MonkeyPatch) -> TorqueBed:
    """TORQUE's commands of this test go to the shared bed."""
    for name, value in two_nodes.environment().items():
        monkeypatch.setenv(name, value)
    return two_nodes


@pytest.fixture
def own_options(tmp_path: Path) -> Options:
    """Options that every launcher of a test needs here: where its files are, and crew itself."""
    return {"script_directory": tmp_path / "scripts", "script_lines": lines_for_workers()}


@pytest.fixture
def make(on_torque: TorqueBed, own_options: Options) -> Iterator[MakeController]:
    """Make controllers on TORQUE, which end with the test."""
    made: list[crew.Controller] = []

    def make(**options: Any) -> crew.Controller:
        controller = crew.controller("torque", **{**own_options, **options})
        made.append(controller)
        return controller

    yield make
    for controller in made:
        controller.terminate()
