"""What a session is told, and what its dispatcher and its workers need to know of that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from crew_core._model.errors import CrewError
from crew_core._model.network import NetworkOptions
from crew_core._model.options import (
    ClientOptions,
    LogOptions,
    RetryOptions,
    ScalingOptions,
    WorkerOptions,
)
from crew_core._wire import messages, places

if TYPE_CHECKING:
    from crew_core._controller.session_holder import SessionHolder


class SessionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a session needs to know."""

    name: str
    worker: WorkerOptions
    scaling: ScalingOptions
    retry: RetryOptions
    client: ClientOptions
    log: LogOptions
    network: NetworkOptions
    backup: SessionHolder | None = None
    lives: tuple[float, ...] = (float("inf"),)  # of workers of each step of the launcher's ladder

    def limit_below(self, seconds: float) -> str:
        """What keeps every worker from living so long, in words; empty: nothing does."""
        if seconds > self.worker.seconds_wall:
            return f"seconds_wall={self.worker.seconds_wall:g}"
        longest = max(self.lives)
        return f"the {longest:g} s of its job" if seconds > longest else ""


def worker_settings(
    options: SessionOptions, root: int, segments: str = ""
) -> messages.WorkerSettings:
    """What every worker is told.

    Args:
        options: what the session is told.
        root: of the random streams.
        segments: the directory of segments; empty where there is none.
    """
    worker = options.worker
    return messages.WorkerSettings(
        controller=options.name,
        root_seed=str(root),
        seconds_idle=worker.seconds_idle,
        seconds_wall=worker.seconds_wall,
        tasks_max=worker.tasks_max,
        tasks_timers=worker.tasks_timers,
        reset_globals=worker.reset_globals,
        reset_packages=worker.reset_packages,
        reset_options=worker.reset_options,
        garbage_collection=worker.garbage_collection,
        seconds_heartbeat=options.client.seconds_heartbeat,
        segments=segments,
    )


def retry_policy(options: SessionOptions) -> messages.RetryPolicy:
    """What the dispatcher does with tasks whose worker crashed."""
    retry = options.retry
    return messages.RetryPolicy(
        retry.retry_tasks, retry.crashes_max, backup=options.backup is not None
    )


def prepare_log_directory(options: SessionOptions) -> Path:
    """Make the folder of the workers' logs; old ones of other controllers are pruned.

    Raises:
        CrewError: it cannot be made.
    """
    given = options.log.log_directory
    if given is None:
        places.prune_logs_daily(places.state_directory() / "logs")
    directory = places.default_log_directory(options.name) if given is None else Path(given)
    directory = directory.absolute()
    try:
        places.make_directories(directory)
    except OSError as error:
        raise CrewError(
            f"cannot make the log directory {directory}: {error.strerror}. Choose another with "
            "log_directory="
        ) from error
    return directory
