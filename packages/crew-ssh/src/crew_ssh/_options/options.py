"""The options of the launcher and of the monitor. Pure."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from crew_core.plugins import ConfigError, Launcher
from crew_ssh._options.hosts import HostOptions, all_hosts

Placement = Literal["spread", "pack"]

_PLACEMENTS = ("spread", "pack")
_SECONDS_MOST = 3600.0


@dataclass(frozen=True, kw_only=True)
class SshOptions(Launcher.Options):
    """What a user can say about workers on hosts reached by SSH.

    Attributes:
        hosts: the hosts that workers may run on: names as ssh knows them, or tables with more:
            ``{"host": "node2", "slots": 4, "python": "/opt/py/bin/python", "env": {...},
            "prologue": [...], "workdir": ..., "bootstrap": True}``.
        slots: how many workers a host takes at once, unless it says otherwise; None: as many as
            it has processors.
        placement: "spread" gives each worker to the host with the most room, "pack" fills one host
            after the other, in their order.
        tunnel: True: workers come back through the SSH connection, and no port of this computer is
            open to the network; False: they connect to this computer directly; "auto": directly
            where the host can reach this computer, else through the connection.
        python: the interpreter on hosts that say nothing else; None: the controller's version of
            Python, found on PATH there.
        env: variables that workers get, besides those of their host.
        prologue: lines for the host's ``sh`` before anything else, such as "module load python".
        workdir: the directory in which tasks begin; None: the home directory.
        bootstrap: where crew is missing on a host, install it there for the time being, in the
            same version.
        ssh_config: the file to read instead of ``~/.ssh/config``.
        seconds_connect: how long a host may take to let us in.
        run_directory: where workers' files are on the hosts, on a disk of their own; None: below
            the host's directory for temporary files.
    """

    hosts: tuple[Any, ...] = ()
    slots: int | None = None
    placement: Placement = "spread"
    tunnel: bool | Literal["auto"] = "auto"
    python: str | None = None
    env: Mapping[str, str] = field(default_factory=dict, repr=False)  # may hold secrets
    prologue: tuple[str, ...] = ()
    workdir: str | None = None
    bootstrap: bool = False
    ssh_config: str | Path | None = None
    seconds_connect: float = 15.0
    run_directory: str | None = None

    def __post_init__(self) -> None:
        if self.placement not in _PLACEMENTS:
            raise ConfigError(f'placement={self.placement!r}: must be "spread" or "pack"')
        if not (isinstance(self.tunnel, bool) or self.tunnel == "auto"):
            raise ConfigError(f'tunnel={self.tunnel!r}: must be True, False or "auto"')
        check_file("ssh_config", self.ssh_config)
        check_seconds("seconds_connect", self.seconds_connect)
        all_hosts(self.hosts or ("localhost",), self._common())

    def all_hosts(self) -> tuple[HostOptions, ...]:
        """Each host with what holds for it.

        Raises:
            ConfigError: none is named.
        """
        return all_hosts(self.hosts, self._common())

    def _common(self) -> dict[str, Any]:
        names = ("slots", "python", "env", "prologue", "workdir", "bootstrap")
        return {name: getattr(self, name) for name in names}


def check_file(option: str, value: object) -> None:
    """Refuse what is no path of this computer."""
    if value is not None and not isinstance(value, str | os.PathLike):
        raise TypeError(f"{option}={value!r}: must be a path, not {type(value).__name__}")


def check_seconds(option: str, value: object) -> None:
    """Refuse what is no time that somebody may wait."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{option}={value!r}: must be a number, not {type(value).__name__}")
    if not 0 < value <= _SECONDS_MOST:
        raise ConfigError(f"{option}={value!r}: must be above 0, and {_SECONDS_MOST:g} at most")
