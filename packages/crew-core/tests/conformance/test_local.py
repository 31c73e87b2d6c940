"""The launcher of this computer does what every launcher must."""

from __future__ import annotations

from pathlib import Path

import pytest

from crew_core._launcher.local import LocalLauncher
from crew_core.testing import LauncherConformance


@pytest.mark.usefixtures("leaves_orphans")
class TestLocal(LauncherConformance):
    seconds = 60.0

    def launcher(self, folder: Path) -> LocalLauncher:
        return LocalLauncher()
