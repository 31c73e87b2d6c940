"""What workers print is to be read where it is not on this computer's disk."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import ClassVar

import crew_core as crew
from crew_core.plugins import Launcher, LaunchRequest


class Elsewhere(Launcher):
    """Its workers write no log of crew's: what they print is where the platform keeps it."""

    local: ClassVar[bool] = True
    folder: ClassVar[Path]
    children: ClassVar[list[subprocess.Popen[bytes]]] = []

    def launch(self, request: LaunchRequest) -> list[str]:
        return [self._start(worker.argv, worker.env, worker.name) for worker in request.workers]

    def _start(self, argv: tuple[str, ...], env: object, name: str) -> str:
        words = list(argv)
        at = words.index("--log")
        del words[at : at + 2]
        assert isinstance(env, dict)
        with open(self.folder / name, "wb") as output:
            self.children.append(
                subprocess.Popen(words, env={**os.environ, **env}, stdout=output, stderr=output)
            )
        return name

    def logs(self, handle: str) -> str | None:
        return (self.folder / handle).read_text()


def test_a_platforms_own_log_is_shown_where_there_is_no_other(tmp_path: Path) -> None:
    Elsewhere.folder = tmp_path
    with crew.controller(Elsewhere()) as controller:
        task = controller.push("print('kept by the platform', flush=True)", name="talker")
        task.result(60)
        assert "kept by the platform" in controller.logs("talker")
        assert "kept by the platform" in controller.logs(1)
    for child in Elsewhere.children:
        child.wait(60)
