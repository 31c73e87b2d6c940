"""The launcher of the sequential controller, which needs no workers."""

from __future__ import annotations

from typing import ClassVar, NoReturn

from crew_core._launcher.base import Launcher
from crew_core._launcher.request import LaunchRequest
from crew_core._model.errors import LaunchError


class SequentialLauncher(Launcher):
    """Says that tasks run in the user's own process. Launches nothing."""

    local: ClassVar[bool] = True

    def launch(self, request: LaunchRequest) -> NoReturn:
        """Refuse: its controller never asks."""
        raise LaunchError(
            f"controller {request.controller!r} is sequential: its tasks run in this process, and "
            "there are no workers to launch"
        )
