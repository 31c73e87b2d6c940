"""The launcher of TORQUE does what every launcher must, with TORQUE's commands on SLURM."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from crew_cluster._torque.launcher import TorqueLauncher
from crew_cluster._torque.options import TorqueOptions
from crew_core.plugins import Pace
from crew_core.testing import PlatformConformance
from pbs.commands_between import PbsBetween, texts
from testbeds.torque import TorqueBed

pytestmark = pytest.mark.timeout(300)


class Between(PbsBetween):
    """TORQUE but for what it is told."""

    texts: ClassVar[Mapping[str, str]] = texts(
        "-t",
        "    exit 153",
        """\
    told=$('{qstat}' "$@" | awk 'BEGIN {{RS = ""; ORS = "\\n\\n"}} !/job_state = C/')
    [ -n "$told" ] || exit 153
    echo "$told"; exit 0""",
    )

    @property
    def unfinished(self) -> int:
        return len(self._bed.ask("squeue", "-h", "-r", "-o", "%i").splitlines())

    def fail_queued(self) -> None:
        self._bed.ask("scancel", "--state=PENDING", f"--user={os.getuid()}")

    def cancel_all(self) -> None:
        self._bed.ask("scancel", f"--user={os.getuid()}")


class Eager(TorqueLauncher):
    """Asks TORQUE for workers, and about them whenever it is asked itself."""

    pace: ClassVar[Pace] = Pace(first=0.0, growth=1.0)


class TestOnTorque(PlatformConformance):
    seconds = 50.0  # a scheduler, and an interpreter's start, on a machine with other work
    limit = 3
    bad_options: ClassVar[Sequence[Mapping[str, Any]]] = (
        {"queue": "two words"},
        {"cores": 0},
        {"memory_gigabytes_required": -1},
        {"qos": "high,walltime=1"},
        {"script_lines": ("echo 'open",)},
    )

    @pytest.fixture(autouse=True)
    def between(
        self,
        tmp_path: Path,
        on_torque: TorqueBed,
        own_options: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> Iterator[None]:
        self._lines: tuple[str, ...] = own_options["script_lines"]
        self._between = Between(tmp_path, on_torque, monkeypatch)
        yield
        self._between.release()

    def launcher(self, folder: Path) -> TorqueLauncher:
        options = TorqueOptions(
            script_directory=folder / "scripts",
            script_lines=self._lines,
            array_size=self.limit,
            seconds_command=8.0 if self._between.loses else 40.0,
        )
        return Eager(options)

    def platform(self, folder: Path) -> Between:
        return self._between
