"""The launcher of PBS does what every launcher must, on the stand-in for PBS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from crew_cluster._pbs.launcher import PbsLauncher
from crew_cluster._pbs.options import PbsOptions
from crew_core.plugins import Pace
from crew_core.testing import PlatformConformance
from pbs.commands_between import PbsBetween, texts
from pbs.site import shown
from testbeds.pbs import PbsBed

pytestmark = pytest.mark.timeout(300)


class Between(PbsBetween):
    """PBS but for what it is told."""

    texts: ClassVar[Mapping[str, str]] = texts(
        "-J",
        "    echo '{{}}'; exit 0",
        """\
    for word; do
        shift
        if [ "$word" != -x ]; then set -- "$@" "$word"; fi
    done""",
    )

    def __init__(self, folder: Path, bed: PbsBed, patch: pytest.MonkeyPatch) -> None:
        super().__init__(folder, bed, patch)
        self._pbs = bed

    @property
    def unfinished(self) -> int:
        return len(shown(self._pbs))

    def fail_queued(self) -> None:
        self._end([one.job for one in shown(self._pbs) if one.state == "Q"])

    def cancel_all(self) -> None:
        self._end([one.job for one in shown(self._pbs)])

    def _end(self, jobs: Sequence[str]) -> None:
        if jobs:
            self._pbs.run("qdel", *jobs)


class Eager(PbsLauncher):
    """Asks PBS for workers, and about them whenever it is asked itself."""

    pace: ClassVar[Pace] = Pace(first=0.0, growth=1.0)


class TestOnPbs(PlatformConformance):
    seconds = 50.0  # a scheduler, and an interpreter's start, on a machine with other work
    limit = 3
    bad_options: ClassVar[Sequence[Mapping[str, Any]]] = (
        {"queue": "two words"},
        {"cores": 0},
        {"memory_gigabytes_required": -1},
        {"walltime_hours": "12"},
        {"queue": "a", "reservation": "b"},
        {"script_lines": ("echo 'open",)},
    )

    @pytest.fixture(autouse=True)
    def between(
        self,
        tmp_path: Path,
        on_pbs: PbsBed,
        own_options: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> Iterator[None]:
        self._lines: tuple[str, ...] = own_options["script_lines"]
        self._between = Between(tmp_path, on_pbs, monkeypatch)
        yield
        self._between.release()

    def launcher(self, folder: Path) -> PbsLauncher:
        options = PbsOptions(
            script_directory=folder / "scripts",
            script_lines=self._lines,
            array_size=self.limit,
            seconds_command=8.0 if self._between.loses else 40.0,
        )
        return Eager(options)

    def platform(self, folder: Path) -> Between:
        return self._between
