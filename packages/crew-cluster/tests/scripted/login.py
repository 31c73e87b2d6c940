"""A login node that is this computer, and whose SLURM takes every job."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from crew_core.plugins import CommandAnswer, CommandRunner

_ANSWERS = {
    "sbatch": b"17\n",
    "scancel": b"",
    "scontrol": b"MaxArraySize            = 100\n",
}


class Login(CommandRunner):
    """Where ``via="scripted.login:Login://..."`` leads.

    Attributes:
        closed: how often it was hung up.
    """

    closed: ClassVar[int] = 0

    @dataclass(frozen=True, kw_only=True)
    class Options(CommandRunner.Options):
        """Its own.

        Attributes:
            home: the user's home directory there.
        """

        home: str = "/"

    options: Any

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        seconds: float = 60.0,
    ) -> CommandAnswer:
        """Answer as SLURM, or run it here."""
        if argv[0] in _ANSWERS:
            return CommandAnswer(0, _ANSWERS[argv[0]], b"")
        own = {"PATH": os.environ["PATH"], "HOME": self.options.home}
        variables = own if env is None else env
        done = subprocess.run(
            argv, input=stdin, env=variables, capture_output=True, timeout=seconds, check=False
        )
        return CommandAnswer(done.returncode, done.stdout, done.stderr)

    def way_back(self, url: str) -> str:
        """As it is."""
        return url

    def close(self) -> None:
        """Count it."""
        type(self).closed += 1
