"""Who looks on sees how far the tasks are: in a terminal, in a notebook, and nothing in a pipe."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from traitlets.config import Config

import crew_core as crew
from crew_core.testing import FakePlatform, FakePlatformLauncher

SCRIPT = """
import crew_core as crew

def half(x):
    return 1 / x

with crew.controller("local", name={name!r}, workers=2) as controller:
    {call}
    print("tasks:", controller.resolved)
"""
MAP = 'controller.map(half, {"x": [0, 1, 2, 3]}, error="silent")'
WAIT = "controller.walk(half, {{'x': [0, 1, 2, 3]}}); controller.wait(progress={progress})"


def run_in_terminal(script: str) -> str:
    """What a person sees."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:  # how Linux tells that the last writer is gone
        pass
    finally:
        os.close(ours)
    assert process.wait() == 0, seen.decode()
    return seen.decode()


def run_in_pipe(script: str) -> tuple[str, str]:
    """Output and errors."""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return run.stdout, run.stderr


def run_in_notebook(script: str, folder: Path) -> str:
    """What the cell shows; the kernel's sockets are in a folder with a short path."""
    config = Config()
    # By ports, another could take one of them meanwhile.
    config.KernelManager.update(transport="ipc", ip=str(folder / "kernel"))
    notebook = nbformat.v4.new_notebook()  # type: ignore[no-untyped-call]
    notebook.cells.append(nbformat.v4.new_code_cell(script))  # type: ignore[no-untyped-call]
    NotebookClient(
        notebook, timeout=90, startup_timeout=90, kernel_name="python3", config=config
    ).execute()
    outputs = notebook.cells[0].outputs
    return "".join(output.get("text", "") or str(output.get("data", "")) for output in outputs)


def last_state(shown: str) -> str:
    """What the bar says at the end."""
    return [line for line in shown.replace("\r", "\n").splitlines() if "4/4" in line][-1]


def test_map_shows_a_bar_in_a_terminal(controller_name: str) -> None:
    shown = run_in_terminal(SCRIPT.format(name=controller_name, call=MAP))
    assert "4/4" in shown
    assert "0 queued, 0 running, 1 failed, " in last_state(shown)
    assert " workers" in last_state(shown)
    assert "tasks: 4" in shown


def test_the_bar_tells_of_workers_that_are_starting(
    controller_name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    platform = FakePlatform(tmp_path)
    platform.hold()
    launcher = FakePlatformLauncher(FakePlatformLauncher.Options(folder=tmp_path))
    with crew.controller(launcher, name=controller_name, workers=2) as controller:
        controller.launch(2)
        controller.walk("x", {"x": [0, 1, 2, 3]})
        assert not controller.wait(seconds_timeout=0, progress=True)
        shown = capsys.readouterr().err
        assert "4 queued, 0 running, 0 failed, 0 of 2 workers" in shown


def test_wait_shows_a_bar_on_request(controller_name: str) -> None:
    call = WAIT.format(progress=None)
    shown = run_in_terminal(SCRIPT.format(name=controller_name, call=call))
    assert "4/4" in shown
    assert "1 failed" in last_state(shown)


def test_wait_shows_nothing_unasked(controller_name: str) -> None:
    call = WAIT.format(progress=False)
    shown = run_in_terminal(SCRIPT.format(name=controller_name, call=call))
    assert shown.strip() == "tasks: 4"


@pytest.mark.parametrize("call", [MAP, WAIT.format(progress=None)])
def test_a_pipe_gets_nothing(controller_name: str, call: str) -> None:
    output, errors = run_in_pipe(SCRIPT.format(name=controller_name, call=call))
    assert output.strip() == "tasks: 4"
    assert errors == ""


def test_a_pipe_gets_the_bar_that_was_asked_for(controller_name: str) -> None:
    call = WAIT.format(progress=True)
    output, errors = run_in_pipe(SCRIPT.format(name=controller_name, call=call))
    assert output.strip() == "tasks: 4"
    assert "4/4" in errors


@pytest.mark.timeout(300)
def test_map_shows_a_bar_in_a_notebook(
    controller_name: str, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    shown = run_in_notebook(SCRIPT.format(name=controller_name, call=MAP), runtime)
    assert "4/4" in shown
    assert "1 failed" in shown
    assert "Warning" not in shown


def test_the_bar_counts_what_is_pushed_meanwhile(
    controller: crew.Controller, gate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(sys, "stderr", shown)
    hold: Callable[[], object] = gate.hold
    first = controller.push(hold)

    def push_more() -> None:
        crew.retry(lambda: "0/1" in shown.getvalue(), seconds_interval=0.01)
        controller.walk("x", {"x": [1, 2]})
        gate.open()

    with ThreadPoolExecutor(1) as threads:
        pushing = threads.submit(push_more)
        assert controller.wait(progress=True)
        pushing.result()
    assert first.done()
    assert "3/3" in shown.getvalue()


def test_a_wait_with_a_bar_keeps_its_time_limit(
    controller: crew.Controller, gate: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    hold: Callable[[], object] = gate.hold
    task = controller.push(hold)
    gate.wait_for(1)
    assert not controller.wait(seconds_timeout=0.5, progress=True)
    assert "0 queued, 1 running, 0 failed, " in capsys.readouterr().err
    gate.open()
    task.result(30)
