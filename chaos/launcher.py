"""Starts workers of this computer under another command, such as one that enters a namespace."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crew_core._launcher.local import LocalLauncher
from crew_core.plugins import LaunchError, LaunchRequest


class Under(LocalLauncher):
    """The local launcher, with a prefix to the workers' command lines.

    The command must replace itself by the one that follows, so that its process is the worker's.
    """

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """Where the prefix is written, as a JSON list; it is read at each launch."""

        prefix_file: str

    def launch(self, request: LaunchRequest) -> list[Any]:
        """As the local launcher, each under the prefix."""
        try:
            text = Path(self.options.prefix_file).read_text(encoding="utf-8")
        except OSError as error:  # no descriptors, for a while
            raise LaunchError(f"cannot read the prefix: {error}", transient=True) from error
        prefix = tuple(json.loads(text))
        workers = tuple(
            dataclasses.replace(worker, argv=(*prefix, *worker.argv)) for worker in request.workers
        )
        return super().launch(dataclasses.replace(request, workers=workers))
