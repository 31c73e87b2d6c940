"""What must hold of workers on hosts of their own holds on SLURM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from scenarios.apart import ApartScenarios
from testbeds.slurm import SlurmBed

pytestmark = pytest.mark.timeout(300)


class TestApart(ApartScenarios):
    launcher: ClassVar[str] = "slurm"
    whole_host: ClassVar[Mapping[str, Any]] = {"cpus_per_task": 8}

    @pytest.fixture
    def bed(self, slurm_apart: SlurmBed, monkeypatch: pytest.MonkeyPatch) -> SlurmBed:
        for name, value in slurm_apart.environment().items():
            monkeypatch.setenv(name, value)
        return slurm_apart
