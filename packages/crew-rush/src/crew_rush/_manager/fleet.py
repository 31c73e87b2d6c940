"""Starts workers through launchers, any of them, and asks and ends them the same way."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import crew_core as crew
from crew_core.plugins import (
    JobReport,
    JobState,
    Launcher,
    LaunchError,
    LaunchRequest,
    WorkerLaunch,
    state_directory,
)
from crew_core.services import prune_logs_daily
from crew_rush._store.opening import access_for

if TYPE_CHECKING:
    from crew_rush._store.embedded.owner import EmbeddedStore


@dataclass(frozen=True)
class Ticket:
    """A worker to start.

    Attributes:
        worker_id: its id.
        life: of this start of it.
        start: the name of what it runs.
    """

    worker_id: str
    life: str
    start: str


@dataclass(frozen=True)
class _Launched:
    launcher: Launcher
    handle: Any
    worker_id: str


class Fleet:
    """The workers that this process has started.

    Args:
        store: where workers find the network.
        network: its id.
        seconds_store: how long they stay without a store.
    """

    def __init__(self, store: EmbeddedStore | str, network: str, seconds_store: float) -> None:
        self._store = store
        self._network = network
        self._seconds_store = seconds_store
        self._launchers: dict[str, Launcher] = {}
        self._launched: dict[str, _Launched] = {}  # by life

    def launcher(self, name: str, options: Mapping[str, Any]) -> Launcher:
        """The launcher that is meant; the same one for the same options.

        Raises:
            ConfigError, TypeError: for impossible options.
            PluginNotFoundError, PluginError: there is none, or it is broken.
        """
        key = f"{name} {sorted(options.items())!r}"
        if key not in self._launchers:
            self._launchers[key] = crew.controller(name, **options).launcher
        return self._launchers[key]

    def launch(self, launcher: Launcher, tickets: Sequence[Ticket]) -> None:
        """Start workers.

        Raises:
            LaunchError: the platform did not start them.
            ConfigError: they could not reach the store.
        """
        access = access_for(self._store, local=launcher.local)
        if launcher.local:
            prune_logs_daily(state_directory() / "logs")
        workers = tuple(
            WorkerLaunch(
                worker=index,
                instance=ticket.life,
                name=f"crew-{self._network}-{ticket.life[:16]}",
                argv=(
                    *self.command(access.url, ticket.start, ticket.worker_id, ticket.life),
                    *("--launcher", launcher.name),
                    *(() if launcher.local else ("--remote",)),
                ),
                env={**access.environment, "PYTHONSAFEPATH": "1"},
                log=self._log_of(ticket.worker_id) if launcher.local else None,
            )
            for index, ticket in enumerate(tickets, 1)
        )
        request = LaunchRequest(controller=self._network, launcher=launcher.name, workers=workers)
        handles = launcher.launch(request)
        for ticket, handle in zip(tickets, handles, strict=True):
            self._launched[ticket.life] = _Launched(launcher, handle, ticket.worker_id)

    def command(
        self, url: str, start: str, worker_id: str | None = None, life: str | None = None
    ) -> tuple[str, ...]:
        """A worker's command line. It holds no secret."""
        argv = [sys.executable, "-m", "crew_rush._worker"]
        argv += ["--url", url, "--network", self._network, "--start", start]
        argv += ["--grace", f"{self._seconds_store:g}"]
        if worker_id is not None:
            argv += ["--worker-id", worker_id]
        if life is not None:
            argv += ["--instance", life]
        return tuple(argv)

    def ended(self, lives: Iterable[str] | None = None) -> dict[str, str]:
        """Those of these lives, or of all, that have ended by what their platform says, and how."""
        asked = self._known(lives)
        found: dict[str, str] = {}
        for launcher, some in self._by_launcher(asked):
            answers = launcher.poll([self._launched[life].handle for life in some])
            for life, answer in zip(some, answers, strict=True):
                state = answer.state if isinstance(answer, JobReport) else answer
                if state.final:
                    found[life] = _how(answer)
        return found

    def forget(self, lives: Iterable[str]) -> None:
        """Do not ask about these any more."""
        for life in lives:
            self._launched.pop(life, None)

    def terminate(self, lives: Iterable[str] | None = None) -> None:
        """End these workers, or all, however far they have come."""
        asked = self._known(lives)
        for launcher, some in self._by_launcher(asked):
            launcher.terminate([self._launched[life].handle for life in some])
        self.forget(asked)

    def error_of(self, life: str, how: str) -> LaunchError:
        """What to tell of a worker that ended before it came."""
        launched = self._launched[life]
        told = launched.launcher.logs(launched.handle) or self._own_log(launched)
        return LaunchError(
            f"worker {launched.worker_id} ended ({how}) before it came to the network. "
            f"Its last words: {told or 'none'}",
            log_tail=told or "",
        )

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _known(self, lives: Iterable[str] | None) -> list[str]:
        """Those of these that were started here; all for None."""
        return [
            life for life in (self._launched if lives is None else lives) if life in self._launched
        ]

    def _by_launcher(self, lives: Sequence[str]) -> list[tuple[Launcher, list[str]]]:
        found: dict[int, tuple[Launcher, list[str]]] = {}
        for life in lives:
            launcher = self._launched[life].launcher
            found.setdefault(id(launcher), (launcher, []))[1].append(life)
        return list(found.values())

    def _log_of(self, worker_id: str) -> str:
        folder = state_directory() / "logs" / f"rush-{self._network}"
        return str(folder / f"{worker_id}.log")

    def _own_log(self, launched: _Launched) -> str | None:
        if not launched.launcher.local:
            return None
        try:
            with open(self._log_of(launched.worker_id), errors="replace") as file:
                return file.read()[-2000:].strip() or None
        except OSError:
            return None


def _how(answer: JobState | JobReport) -> str:
    if isinstance(answer, JobReport):
        return str(answer.cause or answer.state.value)
    return answer.value
