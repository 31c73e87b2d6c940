"""How a login node is to be reached. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from crew_core.plugins import CommandRunner, ConfigError
from crew_ssh._options.hosts import check_path, check_variables, lines_of
from crew_ssh._options.options import check_file, check_seconds


@dataclass(frozen=True, kw_only=True)
class SshRunnerOptions(CommandRunner.Options):
    """What a user can say beside the address, in the table that ``via=`` takes.

    Attributes:
        tunnel: True: workers come back through the login node alone, and no port of this computer
            is open to the network; False: they connect to this computer directly; "auto": both are
            tried, directly first where the login node can do so.
        relay_address: the login node's address that nodes reach, where workers are taken in to be
            passed on to this computer; None: all its addresses.
        python: the interpreter there, 3.8 or later; None: found on PATH.
        env: variables that commands get besides those of the login node's users.
        prologue: lines for its ``sh`` before anything else, such as "module load slurm".
        ssh_config: the file to read instead of ``~/.ssh/config``.
        seconds_connect: how long it may take to let us in.
        run_directory: where we keep a few files there; None: below its directory for temporary
            files.
    """

    tunnel: bool | Literal["auto"] = "auto"
    relay_address: str | None = None
    python: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    prologue: tuple[str, ...] = ()
    ssh_config: str | Path | None = None
    seconds_connect: float = 15.0
    run_directory: str | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.tunnel, bool) or self.tunnel == "auto"):
            raise ConfigError(f'tunnel={self.tunnel!r}: must be True, False or "auto"')
        for name in ("relay_address", "python", "run_directory"):
            check_path(name, getattr(self, name))
        check_variables(self.env)
        object.__setattr__(self, "prologue", lines_of("prologue", self.prologue))
        check_file("ssh_config", self.ssh_config)
        check_seconds("seconds_connect", self.seconds_connect)
