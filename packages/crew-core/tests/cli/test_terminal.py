"""What a person sees in a real terminal: tables, colours, a bar, and how Ctrl-C ends it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import crew_core as crew

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")

SECONDS = 60.0


class Terminal:
    """A terminal of 100 columns on a tmux server of its own."""

    def __init__(self, folder: Path) -> None:
        self._server = ["tmux", "-L", f"crew-{uuid.uuid4().hex}", "-f", "/dev/null"]
        size = ["-x", "100", "-y", "50"]
        shell = ["env", "PS1=$ ", "bash", "--norc", "--noprofile"]
        self._tmux("new-session", "-d", *size, "-c", str(folder), *shell)

    def type(self, text: str) -> None:
        """Type a line."""
        self._tmux("send-keys", "-l", text)
        self._tmux("send-keys", "Enter")

    def press(self, key: str) -> None:
        """Press a key, such as "C-c"."""
        self._tmux("send-keys", key)

    def screen(self, *options: str) -> str:
        """What is on the screen."""
        return self._tmux("capture-pane", "-p", *options)

    def wait_for(self, text: str) -> str:
        """Wait until something is on the screen; the screen."""
        try:
            crew.retry(lambda: text in self.screen(), seconds_interval=0.1, seconds_timeout=SECONDS)
        except TimeoutError:
            pytest.fail(f"{text!r} does not come. The screen:\n{self.screen()}")
        return self.screen()

    def close(self) -> None:
        """End it."""
        self._tmux("kill-server")

    def _tmux(self, *args: str) -> str:
        done = subprocess.run([*self._server, *args], capture_output=True, text=True, check=True)
        return done.stdout


@pytest.fixture
def terminal(project: Path, state_home: Path) -> Iterator[Terminal]:
    made = Terminal(project)
    yield made
    made.close()


CREW = f"{shlex.quote(sys.executable)} -m crew_core"


def test_tables_have_a_head_and_a_rule(terminal: Terminal) -> None:
    terminal.type(f"clear; {CREW} launchers; echo code=$?")
    screen = terminal.wait_for("code=0")
    head = next(line for line in screen.splitlines() if "package" in line)
    assert head.split()[:3] == ["name", "package", "version"]
    assert "───" in screen
    assert "local" in screen


def test_doctor_marks_each_step_in_colour(terminal: Terminal) -> None:
    terminal.type(f"clear; {CREW} doctor local; echo code=$?")
    terminal.wait_for("code=0")
    assert "\x1b[32mok" in terminal.screen("-e")
    assert "all well" in terminal.screen()


def test_ctrl_c_ends_following_logs(terminal: Terminal, make: Any) -> None:
    controller = make()
    controller.push("print('a line of a worker')").result(SECONDS)
    terminal.type(f"clear; {CREW} logs -f {controller.name}; echo code=$?")
    terminal.wait_for("| a line of a worker")
    terminal.press("C-c")
    screen = terminal.wait_for("code=130")
    assert "Traceback" not in screen


def test_a_bar_shows_how_tasks_are_getting_on(terminal: Terminal, project: Path) -> None:
    (project / "bar.py").write_text(
        "import crew_core as crew\n"
        "with crew.controller('local', workers=2) as controller:\n"
        "    controller.map('import time; time.sleep(0.2)', {'x': list(range(8))})\n"
        "print('over')\n"
    )
    terminal.type(f"clear; {shlex.quote(sys.executable)} bar.py")
    screen = terminal.wait_for("over")
    assert "8/8" in screen
    assert "2 workers" in screen


def test_tab_completes_commands_and_names(terminal: Terminal, project: Path) -> None:
    programs = Path(sys.executable).parent
    if not os.access(programs / "crew", os.X_OK):
        pytest.skip("crew is not installed as a program")
    (project / "crew.toml").write_text('[controllers.night-run]\nlauncher = "local"\n')
    terminal.type(f'PATH={shlex.quote(str(programs))}:$PATH; eval "$(crew completion bash)"')
    terminal.type("clear; echo ready")
    terminal.wait_for("ready")
    terminal._tmux("send-keys", "-l", "crew doctor ni")
    terminal.press("Tab")
    terminal.wait_for("crew doctor night-run")
    terminal.press("C-c")
