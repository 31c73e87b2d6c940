"""The launcher of SLURM does what every launcher must, on real SLURM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from crew_cluster._slurm.launcher import SlurmLauncher
from crew_cluster._slurm.options import SlurmOptions
from crew_core.plugins import Pace
from crew_core.testing import PlatformConformance
from slurm.commands_between import SlurmBetween
from testbeds.slurm import SlurmBed


class Eager(SlurmLauncher):
    """Asks SLURM for workers, and about them whenever it is asked itself."""

    pace: ClassVar[Pace] = Pace(first=0.0, growth=1.0)


class TestOnSlurm(PlatformConformance):
    seconds = 50.0  # a scheduler, and an interpreter's start, on a machine with other work
    limit = 3
    bad_options: ClassVar[Sequence[Mapping[str, Any]]] = (
        {"partition": "two words"},
        {"cpus_per_task": 0},
        {"memory_gigabytes_required": -1},
        {"script_lines": ("echo 'open",)},
    )

    @pytest.fixture(autouse=True)
    def between(
        self,
        tmp_path: Path,
        on_slurm: SlurmBed,
        own_options: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> Iterator[None]:
        self._lines: tuple[str, ...] = own_options["script_lines"]
        self._between = SlurmBetween(tmp_path, on_slurm, monkeypatch)
        yield
        self._between.release()

    def launcher(self, folder: Path) -> SlurmLauncher:
        options = SlurmOptions(
            script_directory=folder / "scripts",
            script_lines=self._lines,
            array_size=self.limit,
            seconds_command=8.0 if self._between.loses else 40.0,
        )
        return Eager(options)

    def platform(self, folder: Path) -> SlurmBetween:
        return self._between
