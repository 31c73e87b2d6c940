"""Writes the command line, environment and names of each worker that is launched."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from crew_core._controller.roster import Row
from crew_core._launcher.command import job_name, worker_command, worker_environment
from crew_core._launcher.request import WorkerLaunch

if TYPE_CHECKING:
    from crew_core._client.network import Network

_LOCAL_GRACE_SECONDS = 3.0  # a broken connection on one machine means that the dispatcher is dead


class WorkerMaker:
    """Makes the workers of one session.

    Args:
        controller: the controller's name.
        url: where the dispatcher listens for workers.
        log_directory: where workers write what they print.
        network: what workers prove who they are with; None on this computer.
        lives: how long a worker of each step of the launcher's ladder may live, in seconds.
    """

    def __init__(
        self,
        controller: str,
        url: str,
        log_directory: Path,
        network: Network | None,
        lives: tuple[float, ...] = (math.inf,),
    ) -> None:
        self._controller = controller
        self._url = url
        self._log_directory = log_directory
        self._network = network
        self._lives = lives

    def make(self, row: Row, secret: str) -> WorkerLaunch:
        """What the launcher is to start for a row; the row learns where the log will be."""
        name, instance = self._controller, row.instance
        row.log = str(self._log_directory / f"{instance}.log")
        argv = worker_command(
            sys.executable,
            self._url,
            instance,
            name,
            log=row.log,
            grace=_LOCAL_GRACE_SECONDS if self._network is None else None,
            life=self._lives[row.step],
        )
        proof = {} if self._network is None else self._network.environment(instance)
        search = [os.path.abspath(entry) for entry in sys.path]
        return WorkerLaunch(
            worker=row.worker,
            instance=instance,
            name=job_name(name, instance),
            argv=argv,
            env={**worker_environment(secret, search), **proof},
            log=row.log,
            step=row.step,
        )

    def call(self) -> str:
        """The command line of a worker, for a person."""
        import shlex

        argv = worker_command(sys.executable, self._url, "INSTANCE", self._controller)
        return shlex.join(argv)
