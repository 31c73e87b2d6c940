"""The conformance suite for a launcher that is known by its name."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from crew_core._launcher.base import Launcher
from crew_core.testing import LauncherConformance


class NamedConformance(LauncherConformance):
    """All checks, on the launcher that ``crew.controller(name)`` would have.

    Attributes:
        name: of a launcher, or of a controller in the configuration.
    """

    name: ClassVar[str]

    def launcher(self, folder: Path) -> Launcher:  # noqa: ARG002 - it brings its own options
        """Make one."""
        from crew_core._controller.making import controller

        return controller(self.name).launcher
