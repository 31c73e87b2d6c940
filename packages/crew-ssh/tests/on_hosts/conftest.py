"""SSH hosts for tests, and controllers whose workers find this repository's code there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew
from testbeds.ssh import SshBed

Options = dict[str, Any]
MakeController = Callable[..., crew.Controller]


def options_on(bed: SshBed) -> Options:
    """What every launcher of a test needs on a bed."""
    path = os.environ.get("PYTHONPATH")
    return {
        "hosts": tuple(bed.hosts()),
        "slots": 2,
        "python": sys.executable,
        "ssh_config": str(bed.ssh_config),
        "run_directory": bed.run_directory,
        "env": {"PYTHONPATH": path} if path else {},
    }


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What sessions write down of their jobs is the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def make() -> Iterator[MakeController]:
    """Make controllers on a bed, which end with the test: ``make(bed, workers=6)``."""
    made: list[crew.Controller] = []

    def make(bed: SshBed, **options: Any) -> crew.Controller:
        controller = crew.controller("ssh", **{**options_on(bed), **options})
        made.append(controller)
        return controller

    yield make
    for controller in made:
        controller.terminate()
