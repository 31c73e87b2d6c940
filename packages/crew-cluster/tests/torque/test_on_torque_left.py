"""What killed sessions leave on SLURM with TORQUE's commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scenarios.left_overs import LeftOvers
from testbeds.torque import TorqueBed
from torque.site import TorqueSite

pytestmark = pytest.mark.timeout(300)


class TestLeftOvers(LeftOvers):
    @pytest.fixture
    def site(
        self, on_torque: TorqueBed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> TorqueSite:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        self._bed = on_torque
        return TorqueSite(on_torque, tmp_path / "state" / "crew" / "scripts")

    @pytest.fixture
    def options(self, own_options: dict[str, Any]) -> dict[str, Any]:
        """Scripts are where they are by default, as a person at a prompt says nothing about it."""
        return {"script_lines": own_options["script_lines"]}

    @pytest.fixture
    def foreign(self, on_torque: TorqueBed, tmp_path: Path) -> Iterator[str]:
        script = tmp_path / "foreign.sh"
        script.write_text("#!/bin/sh\nsleep 600\n")
        job = on_torque.ask("qsub", "-o", "/dev/null", "-e", "/dev/null", str(script)).strip()
        yield job
        on_torque.run("qdel", job)

    def is_there(self, job: str) -> bool:
        return re.search(r"job_state = [QR]", self._bed.ask("qstat", "-f", job)) is not None
