"""Starts workers as plain processes on this computer."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence

from crew_core.plugins import Launcher, LaunchRequest


class ExampleLauncher(Launcher):
    """Starts each worker's command line and forgets it; the worker leaves by itself when idle."""

    local = True  # without this line workers would come over the network, to the same effect

    def launch(self, request: LaunchRequest) -> list[int]:
        """Start the workers; their handles are process ids."""
        return [self._start(w.argv, {**os.environ, **w.env}) for w in request.workers]

    def _start(self, argv: Sequence[str], env: Mapping[str, str]) -> int:
        # A session of its own, so that Ctrl-C in the user's terminal does not reach the worker.
        return subprocess.Popen(argv, env=env, start_new_session=True).pid
