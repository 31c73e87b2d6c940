"""The launcher of LSF does what every launcher must, on the stand-in for LSF."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from crew_cluster._lsf.launcher import LsfLauncher
from crew_cluster._lsf.options import LsfOptions
from crew_core.plugins import Pace
from crew_core.testing import PlatformConformance
from lsf.commands_between import LsfBetween
from testbeds.fixtures import brought_up
from testbeds.lsf import LsfBed
from testbeds.lsf import LsfOptions as BedOptions

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def lsf_bed() -> Iterator[LsfBed]:
    """LSF in a hurry: its own pace is that of the scenarios."""
    with brought_up(LsfBed, BedOptions(seconds_cycle=0.2, seconds_to_die=1.0)) as bed:
        yield bed


class Eager(LsfLauncher):
    """Asks LSF for workers, and about them whenever it is asked itself."""

    pace: ClassVar[Pace] = Pace(first=0.0, growth=1.0)


class TestOnLsf(PlatformConformance):
    seconds = 50.0  # a scheduler, and an interpreter's start, on a machine with other work
    limit = 3
    bad_options: ClassVar[Sequence[Mapping[str, Any]]] = (
        {"queue": "two words"},
        {"cores": 0},
        {"memory_gigabytes_limit": -1},
        {"script_lines": ("echo 'open",)},
    )

    @pytest.fixture(autouse=True)
    def between(
        self,
        tmp_path: Path,
        on_lsf: LsfBed,
        own_options: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> Iterator[None]:
        self._lines: tuple[str, ...] = own_options["script_lines"]
        self._between = LsfBetween(tmp_path, on_lsf, monkeypatch)
        yield
        self._between.release()

    def launcher(self, folder: Path) -> LsfLauncher:
        options = LsfOptions(
            script_directory=folder / "scripts",
            script_lines=self._lines,
            array_size=self.limit,
            seconds_command=8.0 if self._between.loses else 40.0,
        )
        return Eager(options)

    def platform(self, folder: Path) -> LsfBetween:
        return self._between
