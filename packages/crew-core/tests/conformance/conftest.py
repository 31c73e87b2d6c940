"""Shows of a check that it bites: it must fail on a launcher that is broken on purpose."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from crew_core.plugins import CrewError, Launcher
from crew_core.testing import LauncherConformance
from crew_core.testing.bench import Bench

Bites = Callable[..., None]


@dataclass
class Tools:
    """What broken launchers do harm with. The end of the test undoes it."""

    folder: Path
    spawn: Callable[[], subprocess.Popen[bytes]]
    undo: list[Callable[[], object]] = field(default_factory=list)


@pytest.fixture
def tools(tmp_path: Path, spawn: Callable[[], subprocess.Popen[bytes]]) -> Iterator[Tools]:
    """A folder, processes, and this process as it was."""
    variables, mode, folder = dict(os.environ), os.umask(0o022), Path.cwd()
    os.umask(mode)
    tools = Tools(tmp_path, spawn)
    yield tools
    for undo in tools.undo:
        undo()
    os.chdir(folder)
    os.umask(mode)
    for name in set(os.environ) - set(variables):
        del os.environ[name]
    os.environ.update(variables)


@pytest.fixture(autouse=True)
def reaped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ends and reaps what launchers started and lost, before Popen complains of it."""
    started: list[subprocess.Popen[bytes]] = []

    class Remembered(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Remembered)
    yield
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def bites(tools: Tools, leaves_orphans: None) -> Bites:
    """Run one check on a launcher that is broken on purpose: the check must fail.

    ``seconds`` is given where a defect shows only by what does not happen, ``arguments`` where the
    check has other fixtures than a bench.
    """

    def bites(
        check: str,
        make: Callable[[Tools], Launcher],
        seconds: float | None = None,
        kind: type[LauncherConformance] = LauncherConformance,
        arguments: Sequence[object] = (),
    ) -> None:
        with Bench(
            lambda folder: make(tools),
            tools.folder,
            python=sys.executable,
            seconds=seconds or 60.0,
            limit=3,
        ) as bench:
            try:
                getattr(kind(), check)(bench, *arguments)
            except (AssertionError, CrewError) as error:
                complaint = str(error)
            except pytest.skip.Exception as skipped:
                pytest.fail(f"{check} was skipped: {skipped}")
            else:
                pytest.fail(f"{check} found nothing wrong")
        assert seconds or "within" not in complaint, "it failed for lack of time"

    return bites
