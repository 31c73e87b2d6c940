"""The launcher ssh does what every launcher must, on real sshd."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from crew_core.testing import LauncherConformance
from crew_ssh._launcher.launcher import SshLauncher
from crew_ssh._options.options import SshOptions
from on_hosts.conftest import options_on
from testbeds.ssh import SshBed

pytestmark = pytest.mark.timeout(300)


class TestOnSsh(LauncherConformance):
    seconds = 60.0
    limit = 3
    bad_options: ClassVar[Sequence[Mapping[str, Any]]] = (
        {"hosts": ("two words",)},
        {"slots": 0},
        {"placement": "round"},
        {"tunnel": "maybe"},
    )

    @pytest.fixture(autouse=True)
    def bed(self, ssh_bed: SshBed) -> None:
        self._bed = ssh_bed

    def launcher(self, folder: Path) -> SshLauncher:
        # Each test has a run directory of its own: what one leaves is none of the next one's.
        options = {**options_on(self._bed), "run_directory": str(folder / "run")}
        return SshLauncher(SshOptions(**{**options, "slots": 10, "python": sys.executable}))
