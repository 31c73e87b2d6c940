"""What killed sessions leave on SLURM."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scenarios.left_overs import LeftOvers
from slurm.site import SlurmSite
from testbeds.slurm import SlurmBed

pytestmark = pytest.mark.timeout(300)


class TestLeftOvers(LeftOvers):
    @pytest.fixture
    def site(
        self, on_slurm: SlurmBed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> SlurmSite:
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
        self._bed = on_slurm
        return SlurmSite(on_slurm)

    @pytest.fixture
    def options(self, own_options: dict[str, Any]) -> dict[str, Any]:
        return own_options

    @pytest.fixture
    def foreign(self, on_slurm: SlurmBed) -> Iterator[str]:
        job = on_slurm.ask("sbatch", "--parsable", "--output=/dev/null", "--wrap=sleep 600")
        yield job
        on_slurm.run("scancel", job)

    def is_there(self, job: str) -> bool:
        return job in self._bed.ask("squeue", "-h", "-o", "%i").split()
