"""The launcher of the fake platform does what every launcher of a batch platform must."""

from __future__ import annotations

from pathlib import Path

import pytest

from crew_core.testing import FakePlatform, FakePlatformLauncher, PlatformConformance


@pytest.mark.usefixtures("leaves_orphans")
class TestFakePlatform(PlatformConformance):
    seconds = 60.0
    bad_options = ({"limit": 0},)

    def launcher(self, folder: Path) -> FakePlatformLauncher:
        return FakePlatformLauncher(FakePlatformLauncher.Options(folder=folder))

    def platform(self, folder: Path) -> FakePlatform:
        return FakePlatform(folder)
