"""The launcher of Grid Engine does what every launcher must, on real Grid Engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from crew_cluster._sge.launcher import SgeLauncher
from crew_cluster._sge.options import SgeOptions
from crew_core.plugins import Pace
from crew_core.testing import PlatformConformance
from sge.commands_between import SgeBetween
from testbeds.sge import SgeBed


class Eager(SgeLauncher):
    """Asks Grid Engine for workers, and about them whenever it is asked itself."""

    pace: ClassVar[Pace] = Pace(first=0.0, growth=1.0)


class TestOnSge(PlatformConformance):
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
        on_sge: SgeBed,
        own_options: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> Iterator[None]:
        self._lines: tuple[str, ...] = own_options["script_lines"]
        self._between = SgeBetween(tmp_path, on_sge, monkeypatch)
        yield
        self._between.release()

    def launcher(self, folder: Path) -> SgeLauncher:
        options = SgeOptions(
            script_directory=folder / "scripts",
            script_lines=self._lines,
            array_size=self.limit,
            seconds_command=8.0 if self._between.loses else 40.0,
        )
        return Eager(options)

    def platform(self, folder: Path) -> SgeBetween:
        return self._between
