"""The example does what every launcher must."""

from __future__ import annotations

from pathlib import Path

import pytest
from crew_example_launcher.launcher import ExampleLauncher

from crew_core.testing import LauncherConformance


# It forgets its processes, of which Python's subprocess warns.
@pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")
class TestExampleLauncher(LauncherConformance):
    """All checks of the suite, on the example."""

    def launcher(self, folder: Path) -> ExampleLauncher:
        """Make an ExampleLauncher."""
        return ExampleLauncher()
