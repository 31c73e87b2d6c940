"""What the beds of stand-ins have in common: a server, a node that runs jobs, and commands."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import sys
from abc import abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from testbeds.bed import Bed
from testbeds.standin import command, mom
from testbeds.standin.server import Turned, read_turned, write_turned

ROOT = Path(__file__).resolve().parents[2]

_PROGRAM = """#!{python} -IS
import sys
sys.path.insert(0, {root!r})
from testbeds.standin.command import main
sys.exit(main({kind!r}, {program!r}, {place!r}))
"""


class StandInBed(Bed):
    """A stand-in for a scheduler: its commands are executables that talk to a server of ours."""

    programs: ClassVar[Sequence[str]]
    server_module: ClassVar[str]

    @classmethod
    def lacks(cls, options: Any = None) -> str | None:  # noqa: ARG003 - as all beds are asked
        """Linux: jobs are found by what /proc says."""
        return None if sys.platform == "linux" else "Linux"

    def _start(self) -> None:
        for folder in ("bin", "spool"):
            (self.place / folder).mkdir()
        os.chmod(self.place / "spool", 0o1777)
        self._settings["python"] = sys.executable
        options = json.dumps(dataclasses.asdict(self.options))
        (self.place / "options.json").write_text(options, encoding="utf-8")
        for program in self.programs:
            file = self.place / "bin" / program
            file.write_text(
                _PROGRAM.format(
                    python=sys.executable,
                    root=str(ROOT),
                    kind=self.name,
                    program=program,
                    place=str(self.place),
                ),
                encoding="utf-8",
            )
            file.chmod(0o755)
        self.start_node()
        self.start_scheduler()

    @staticmethod
    def machine() -> str:
        """This machine's short name."""
        return socket.gethostname().split(".")[0]

    # ── For clients ────────────────────────────────────────────────────────────────────────────

    def environment(self) -> dict[str, str]:
        """Its commands come first on PATH."""
        path = os.environ.get("PATH", os.defpath).split(":")
        own = str(self.place / "bin")
        return {"PATH": ":".join([own, *(one for one in path if one != own)])}

    def hosts(self) -> Sequence[str]:
        """The names of its nodes; all are this machine."""
        names: list[str] = self.options.node_names()
        return names

    # ── What tests may turn ────────────────────────────────────────────────────────────────────

    def stop_scheduler(self) -> None:
        """Stop the server; jobs go on."""
        self.processes.stop("server")

    def start_scheduler(self) -> None:
        """Start it, with the jobs it knew."""
        self._start_module("server", self.server_module)
        path = self.place / command.SOCKET
        self.processes.wait_for("the server answers", lambda: _answers(path))

    def start_node(self) -> None:
        """Start what runs jobs."""
        self._start_module("mom", "testbeds.standin.mom")
        self.processes.wait_for("the node answers", lambda: _answers(self.place / mom.SOCKET))

    def stop_node(self) -> None:
        """Stop what runs jobs: they go on, but it forgets them."""
        self.processes.stop("mom")
        (self.place / mom.SOCKET).unlink(missing_ok=True)

    def drain(self, host: str) -> None:
        """Start no more jobs on a node."""
        self._turn(lambda turned: turned.drained.append(host))

    def fail(self, host: str) -> None:
        """Have the server believe that a node is lost."""
        self._turn(lambda turned: turned.failed.append(host))

    def restore(self, host: str) -> None:
        """Let a drained or failed node have jobs again."""

        def restored(turned: Turned) -> None:
            turned.drained = [one for one in turned.drained if one != host]
            turned.failed = [one for one in turned.failed if one != host]

        self._turn(restored)

    def refuse(self) -> None:
        """Reject every submission from now on."""
        self._turn(lambda turned: setattr(turned, "refuses", True))

    def accept(self) -> None:
        """Take submissions again."""
        self._turn(lambda turned: setattr(turned, "refuses", False))

    def delay(self, program: str, seconds: float) -> None:
        """Let a command do its work, and then take so long before it answers."""
        self._turn(lambda turned: turned.delays.update({program: seconds}))

    def greet(self, banner: str) -> None:
        """Let every command print this first; nothing when empty."""
        self._turn(lambda turned: setattr(turned, "banner", banner))

    def _turn(self, change: Callable[[Turned], None]) -> None:
        turned = read_turned(self.place)
        change(turned)
        write_turned(self.place, turned)

    def _start_module(self, name: str, module: str) -> None:
        script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import runpy; "
        script += f"runpy.run_module({module!r}, run_name='__main__', alter_sys=False)"
        self.processes.start(name, [sys.executable, "-I", "-c", script, str(self.place)])

    @abstractmethod
    def submit(self, script: str, *options: str) -> str:
        """Submit a script; its id."""


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
