"""Registers workers as processes on hosts reached by SSH; cannot start them yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from crew_core.plugins import Launcher, LaunchError, LaunchRequest


class SshLauncher(Launcher):
    """Asks SSH for workers."""

    seconds_launch_default: ClassVar[float] = 120

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """What a user can say about the workers.

        Attributes:
            hosts: The hosts that workers may run on, as ssh knows them.
            python: The Python to run on the hosts.
        """

        hosts: tuple[str, ...] = ()
        python: str | None = None

    def launch(self, request: LaunchRequest) -> list[Any]:
        """Refuse, since nothing is submitted in this version."""
        raise LaunchError(
            f"cannot launch {len(request.workers)} worker(s) on SSH: "
            "this version of crew-ssh registers the platform but cannot submit to it yet; "
            'use the local launcher, crew.controller("local"), meanwhile'
        )
