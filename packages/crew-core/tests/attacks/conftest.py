"""Lets the tests import what they share, and opens the scene."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import crew_core as crew
from crew_core.testing import FakeLauncher

sys.path.insert(0, str(Path(__file__).parents[1]))

from attacks.scene import Scene


@pytest.fixture
def scene(controller_name: str) -> Iterator[Scene]:
    launcher = FakeLauncher()
    with crew.controller(
        launcher, name=controller_name, host="127.0.0.1", workers=8, seconds_launch=600
    ) as controller:
        scene = Scene(controller, launcher, 3)
        yield scene
    scene.close()
