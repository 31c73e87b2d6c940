"""Asks a launcher how long its workers may live, at each step of its ladder."""

from __future__ import annotations

from crew_core._launcher.base import Launcher
from crew_core._model.errors import CrewError, PluginContractError


def lives_of(launcher: Launcher) -> tuple[float, ...]:
    """How long a worker of each step may live, in seconds.

    Raises:
        ConfigError: a ladder among the launcher's options has no step.
        PluginContractError: the launcher's answer is of no use.
    """
    try:
        lives = tuple(launcher.seconds_life(step) for step in range(launcher.steps))
        if not all(life > 0 for life in lives):
            raise ValueError(f"{lives!r}")
    except CrewError:
        raise
    except Exception as error:
        raise PluginContractError(
            f"launcher {launcher.name!r} does not say how long its workers live "
            f"({type(error).__name__}: {error}): seconds_life(step) must return a positive number "
            "for each of its steps"
        ) from error
    return lives
