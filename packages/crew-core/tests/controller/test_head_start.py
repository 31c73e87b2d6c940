"""The dispatcher is started before its session: a session that fails must take it along."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil
import pytest

import crew_core as crew
from crew_core._controller.head_start import HeadStart
from crew_core._launcher.processes import has_ended


def of_this_process(runtime: Path) -> set[object]:
    """Dispatchers and directories that this process has."""
    memory = Path(f"/dev/shm/crew-{os.getuid()}")
    return {
        *(child.pid for child in psutil.Process().children() if is_dispatcher(child)),
        *runtime.glob(f"crew/{os.getpid()}-*"),
        *memory.glob(f"{os.getpid()}-*"),
    }


def is_dispatcher(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):  # it ends at this moment
        return not has_ended(process) and "crew_core._dispatcher" in process.cmdline()
    return False


def test_a_session_that_fails_leaves_nothing(
    runtime: Path, tmp_path: Path, controller_name: str
) -> None:
    before = of_this_process(runtime)
    (tmp_path / "file").touch()
    controller = crew.controller(
        "local", name=controller_name, log_directory=tmp_path / "file" / "logs"
    )
    with pytest.raises(crew.CrewError, match="cannot make the log directory"):
        controller.start()
    assert not controller.started
    assert of_this_process(runtime) <= before


def test_a_dispatcher_that_cannot_be_started_leaves_nothing(
    runtime: Path, monkeypatch: pytest.MonkeyPatch, controller_name: str
) -> None:
    before = of_this_process(runtime)
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(crew.DispatcherError, match=r"cannot start the dispatcher \(/nowhere"):
        crew.controller("local", name=controller_name).start()
    assert of_this_process(runtime) <= before


def test_a_dispatcher_that_dies_at_once_leaves_nothing_and_says_why(
    runtime: Path, monkeypatch: pytest.MonkeyPatch, controller_name: str
) -> None:
    before = of_this_process(runtime)
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with pytest.raises(crew.DispatcherError, match=r"did not start within(?s:.*)encodings"):
        crew.controller("local", name=controller_name).start()
    assert of_this_process(runtime) <= before


def test_a_head_start_can_be_withdrawn_twice(runtime: Path, controller_name: str) -> None:
    before = of_this_process(runtime)
    head_start = HeadStart(controller_name)
    assert of_this_process(runtime) - before
    head_start.withdraw()
    head_start.withdraw()
    assert of_this_process(runtime) <= before
