"""The part of a manager that concerns workers: start them, look at them, stop them."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from crew_core import ConfigError
from crew_rush._manager.plan import current_plan
from crew_rush._manager.starts import Loop, WorkerSettings

if TYPE_CHECKING:
    import pandas as pd

    from crew_rush._manager.crew import Crew


_log = logging.getLogger(__name__)


class Workforce:
    """The workers of a network. ``Rush`` derives from it, and sets ``_crew``."""

    _crew: Crew

    # ── Starting workers ───────────────────────────────────────────────────────────────────────

    def start_workers(
        self,
        worker_loop: Loop,
        arguments: Mapping[str, Any] | None = None,
        *,
        n_workers: int | None = None,
        **settings: Any,
    ) -> list[str]:
        """Start workers where the plan says; their ids.

        Args:
            worker_loop: a function whose first argument is a ``RushWorker``. A worker ends when it
                returns or raises.
            arguments: its other arguments, by name.
            n_workers: how many; None: as the plan says.
            settings: ``globals`` (names and values to add to the loop's module), ``packages`` (to
                import first), ``heartbeat_period`` (seconds), ``heartbeat_expire`` (seconds after
                which a silent worker is lost; None: three periods, 10 at least), ``log_thresholds``
                (names of loggers, "root" for all, and the least level whose records go to the
                store), ``log_buffer`` (records sent at once), ``message_log`` and ``output_log``
                (folders for standard error and output, ``message_<id>.log``).

        Raises:
            LaunchError: the platform did not start them.
            ConfigError: a setting is impossible, or they could not reach the store.
            SerializationError: the loop or an argument cannot be copied.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     len(rush.start_workers(lambda rush: None, n_workers=2))
            2
        """
        plan = current_plan()
        named = {"log_thresholds": plan.log_thresholds, "log_buffer": plan.log_buffer}
        return self._crew.start(
            worker_loop,
            arguments or {},
            _count(plan.n_workers if n_workers is None else n_workers),
            _settings({**named, **settings}),
            (plan.launcher, plan.launcher_options),
        )

    def start_local_workers(
        self,
        worker_loop: Loop,
        arguments: Mapping[str, Any] | None = None,
        *,
        n_workers: int | None = None,
        **settings: Any,
    ) -> list[str]:
        """Start workers on this computer; their ids. See ``start_workers``.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     ids = rush.start_local_workers(lambda rush: None, n_workers=1)
            ...     rush.wait_for_workers(worker_ids=ids, timeout=60)
            True
        """
        return self.start_remote_workers(
            worker_loop, arguments, launcher="local", n_workers=n_workers, **settings
        )

    def start_remote_workers(
        self,
        worker_loop: Loop,
        arguments: Mapping[str, Any] | None = None,
        *,
        launcher: str,
        launcher_options: Mapping[str, Any] | None = None,
        n_workers: int | None = None,
        **settings: Any,
    ) -> list[str]:
        """Start workers through a launcher; their ids. See ``start_workers``.

        They outlive this process, as long as the store does.

        Args:
            worker_loop: as of ``start_workers``.
            arguments: as of ``start_workers``.
            launcher: any that is installed: "slurm", "sge", "ssh", "aws_batch", ..., or the name of
                a controller in the configuration.
            launcher_options: the launcher's own options.
            n_workers: as of ``start_workers``.
            settings: as of ``start_workers``.

        Raises:
            LaunchError: the platform did not start them.
            ConfigError: a setting is impossible, or they could not reach the store.
            PluginNotFoundError: there is no such launcher.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     ids = rush.start_remote_workers(
            ...         lambda rush: None, launcher="local", n_workers=1
            ...     )
            ...     len(ids)
            1
        """
        plan = current_plan()
        named = {"log_thresholds": plan.log_thresholds, "log_buffer": plan.log_buffer}
        return self._crew.start(
            worker_loop,
            arguments or {},
            _count(plan.n_workers if n_workers is None else n_workers),
            _settings({**named, **settings}),
            (launcher, launcher_options or {}),
        )

    def worker_script(
        self,
        worker_loop: Loop,
        arguments: Mapping[str, Any] | None = None,
        *,
        local: bool = False,
        redacted: bool = False,
        **settings: Any,
    ) -> str:
        """A line for a shell that starts a worker wherever it is run, another one each time.

        It holds the secrets of the store: whoever has it can use the store.

        Args:
            worker_loop: as of ``start_workers``.
            arguments: as of ``start_workers``.
            local: it will be run on this computer.
            redacted: with ``<redacted>`` for the secrets, to show to others; so it is logged, too.
            settings: as of ``start_workers``.

        Raises:
            ConfigError: workers elsewhere could not reach the store.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     line = rush.worker_script(lambda rush: None, local=True, redacted=True)
            >>> line.startswith("CREW_SECRET='<redacted>' ")
            True
        """
        argv, environment = self._crew.script(
            worker_loop, arguments or {}, _settings(settings), local=local
        )
        shown = _line(argv, dict.fromkeys(environment, "<redacted>"))
        _log.info("a worker can be started by: %s", shown)
        return shown if redacted else _line(argv, environment)

    def wait_for_workers(
        self,
        n: int | None = None,
        worker_ids: Sequence[str] | None = None,
        timeout: float | None = None,
    ) -> bool:
        """Wait until workers have come.

        Args:
            n: so many have come in all; None: all that were started here.
            worker_ids: these have come, or so many of these.
            timeout: seconds; 0: look once; None: as the plan says, 30 by default.

        Returns:
            False when the time was up before.

        Raises:
            LaunchError: one that is waited for has ended before it came.
            StoreError: the store cannot be reached.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.wait_for_workers(n=1, timeout=0)
            False
        """
        seconds = current_plan().seconds_start if timeout is None else timeout
        return self._crew.wait(n, worker_ids, seconds)

    # ── Looking at workers ─────────────────────────────────────────────────────────────────────

    @property
    def worker_info(self) -> pd.DataFrame:
        """A row per worker: worker_id, pid, remote, hostname, heartbeat, state, launcher, reason.

        ``heartbeat`` is when it was last heard of (UTC); ``reason`` why it is no longer running.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     len(rush.worker_info)
            0
        """
        return self._crew.table()

    @property
    def worker_ids(self) -> list[str]:
        """Ids of all workers that have come so far.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.worker_ids
            []
        """
        return self._crew.ids()

    @property
    def running_worker_ids(self) -> list[str]:
        """Ids of the workers that run now.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.running_worker_ids
            []
        """
        return self._crew.ids("running")

    def detect_lost_workers(self) -> list[str]:
        """Ids of workers that are lost since the last call.

        A worker whose signs of life stay away is found lost without this, by whoever asks the store
        for anything; this asks the platforms, too. What a lost worker ran has failed; what it had
        taken and not begun is queued again.

        Raises:
            StoreError: the store cannot be reached.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.detect_lost_workers()
            []
        """
        return self._crew.detect_lost()

    # ── Stopping workers ───────────────────────────────────────────────────────────────────────

    def stop_workers(
        self,
        type: Literal["terminate", "kill"] = "terminate",  # noqa: A002 - as in rush for R
        worker_ids: Sequence[str] | None = None,
    ) -> list[str]:
        """Stop running workers; their ids.

        Args:
            type: "terminate" sets ``rush.terminated`` in their loops, which return when it suits;
                "kill" ends their processes: what they ran has failed at once.
            worker_ids: of these; None: of all. For one that does not run there is a warning.

        Raises:
            ConfigError: ``type`` is something else.
            StoreError: the store cannot be reached.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.stop_workers()
            []
        """
        if type not in ("terminate", "kill"):
            raise ConfigError(f"type={type!r}: must be 'terminate' or 'kill'")
        return self._crew.stop(type, worker_ids)

    def restart_workers(self, worker_ids: Sequence[str] | None = None) -> list[str]:
        """Start workers again with the same id and loop, by the same launcher; their ids.

        Args:
            worker_ids: of these, one that runs is killed first; None: of all that were killed or
                lost, but for those that a person started. Who is on the way already is left alone.

        Raises:
            ConfigError: there is no such worker, or a person started it by a script.
            LaunchError: the platform did not start them.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.restart_workers()
            []
        """
        return self._crew.restart(worker_ids)


def _line(argv: Sequence[str], environment: Mapping[str, str]) -> str:
    words = [f"{name}={shlex.quote(value)}" for name, value in environment.items()]
    return " ".join([*words, shlex.join(argv)])


def _count(n_workers: int) -> int:
    if not isinstance(n_workers, int) or n_workers < 1:
        raise ConfigError(f"n_workers={n_workers!r}: must be a positive whole number")
    return n_workers


def _settings(given: Mapping[str, Any]) -> WorkerSettings:
    valid = WorkerSettings.__dataclass_fields__
    for name in given:
        if name not in valid:
            raise ConfigError(f"there is no setting {name!r} of workers. Valid: {', '.join(valid)}")
    return WorkerSettings(**given)
