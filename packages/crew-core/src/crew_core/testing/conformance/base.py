"""What all groups of checks have in common: the launcher that is tested, and a bench."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from crew_core._launcher.base import Launcher
from crew_core.testing.bench import Bench


class Checks:
    """What a third party's class says of its launcher.

    Attributes:
        seconds: how long the platform may take to start or to end a worker.
        limit: the most workers that the platform takes in one submission; a launcher splits
            larger requests. Where there is no limit, any small number does.
        python: the interpreter where workers run.
    """

    seconds: ClassVar[float] = 30.0
    limit: ClassVar[int] = 3
    python: ClassVar[str] = sys.executable

    def launcher(self, folder: Path) -> Launcher:
        """Make a launcher of the kind to test. Override this.

        Args:
            folder: an empty folder of this test, which the platform's machines must see, too: give
                pytest a ``--basetemp`` on a disk that they share.
        """
        raise NotImplementedError(f"{type(self).__name__} must define launcher(folder)")

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Bench]:
        """Launchers and probes of one test, which end with it."""
        with Bench(
            self.launcher,
            tmp_path,
            python=self.python,
            seconds=self.seconds,
            limit=self.limit,
        ) as bench:
            yield bench


def needs(launcher: Launcher, method: str) -> None:
    """Skip a check of an optional method that the launcher leaves to the default."""
    if getattr(type(launcher), method) is getattr(Launcher, method):
        pytest.skip(f"{type(launcher).__name__} does not define {method}, which is allowed")
