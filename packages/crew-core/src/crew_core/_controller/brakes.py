"""All that holds launches back."""

from __future__ import annotations

from typing import NamedTuple

from crew_core._controller.budget import Budget
from crew_core._controller.launch_failures import LaunchFailures
from crew_core._controller.throttle import Throttle
from crew_core._model.errors import LaunchError


class Brakes(NamedTuple):
    """What an autoscaler asks before it launches."""

    failures: LaunchFailures
    budget: Budget
    throttle: Throttle

    @property
    def error(self) -> LaunchError | None:
        """Why nothing is launched any more, until somebody sees to it; None while it goes on."""
        return self.failures.error or self.budget.error
