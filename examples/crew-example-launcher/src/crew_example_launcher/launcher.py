"""Starts workers as plain processes on this computer."""

from __future__ import annotations

import os
import subprocess

from crew_core.plugins import Launcher, LaunchError, LaunchRequest


class ExampleLauncher(Launcher):
    """Starts each worker's command line and forgets it; the worker leaves by itself when idle."""

    local = True  # without this line workers would come over the network, to the same effect

    def launch(self, request: LaunchRequest) -> list[int]:
        """Start the workers, all or none; their handles are process ids."""
        started: list[subprocess.Popen[bytes]] = []
        for w in request.workers:
            try:
                # A session of its own: Ctrl-C in the user's terminal does not reach the worker.
                env = {**os.environ, **w.env}
                started.append(subprocess.Popen(w.argv, env=env, start_new_session=True))
            except OSError as error:
                for process in started:
                    process.kill()
                raise LaunchError(f"cannot start {w.name}: {error}", argv=w.argv) from error
        return [process.pid for process in started]
