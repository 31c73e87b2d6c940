"""The workers of a network, seen from a manager: what the store and the platforms say of them."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec

from crew_core import ConfigError
from crew_rush._manager.fleet import Fleet, Ticket
from crew_rush._manager.starts import Loop, WorkerSettings, make_start
from crew_rush._model.errors import RushWarning, StoreError
from crew_rush._model.facts import WorkerRow
from crew_rush._model.names import token, worker_name
from crew_rush._model.start import Start
from crew_rush._model.states import WorkerState
from crew_rush._store.opening import access_for
from crew_rush._tasks.pauses import pauses

if TYPE_CHECKING:
    import pandas as pd

    from crew_rush._store.base import Store
    from crew_rush._store.embedded.owner import EmbeddedStore
    from crew_rush._tasks.values import Values

_LOOKS_BETWEEN_POLLS = 10


class Crew:
    """All workers of a network.

    Args:
        store: the network's part of the store.
        where: the store, as workers are told.
        network: its id.
        values: to bytes and back.
        seconds_store: how long workers stay without a store.
    """

    def __init__(
        self,
        store: Store,
        where: EmbeddedStore | str,
        network: str,
        values: Values,
        seconds_store: float,
    ) -> None:
        self._store = store
        self._where = where
        self._values = values
        self._seconds_store = seconds_store
        self._fleet = Fleet(where, network, seconds_store)
        self._awaited: dict[str, str] = {}  # id: life, of those that have not come
        self._known_lost: set[str] = set()  # lives

    # ── Starting ───────────────────────────────────────────────────────────────────────────────

    def start(
        self,
        loop: Loop,
        arguments: Mapping[str, Any],
        n_workers: int,
        settings: WorkerSettings,
        launcher: tuple[str, Mapping[str, Any]],
    ) -> list[str]:
        """Start workers; their ids."""
        found = self._fleet.launcher(*launcher)
        start = self._keep_start(loop, arguments, settings, launcher)
        tickets = [Ticket(worker_name(), token(), start) for _ in range(n_workers)]
        self._fleet.launch(found, tickets)
        self._awaited.update((ticket.worker_id, ticket.life) for ticket in tickets)
        return [ticket.worker_id for ticket in tickets]

    def script(
        self, loop: Loop, arguments: Mapping[str, Any], settings: WorkerSettings, *, local: bool
    ) -> tuple[tuple[str, ...], dict[str, str]]:
        """A command line and the variables that it needs, which are secret."""
        access = access_for(self._where, local=local)
        start = self._keep_start(loop, arguments, settings, ("script", {}))
        return self._fleet.command(access.url, start), access.environment

    def restart(self, worker_ids: Sequence[str] | None) -> list[str]:
        """Start these again; None: those that were killed or lost."""
        rows = {row.worker.worker_id: row for row in self._store.workers()}
        ended = [i for i, row in rows.items() if row.state in ("killed", "lost")]
        asked = [i for i in ended if _was_launched(rows[i])] if worker_ids is None else worker_ids
        for worker_id in asked:
            _require_restartable(worker_id, rows)
        coming = self._coming()
        chosen = [worker_id for worker_id in asked if worker_id not in coming]
        running = [i for i in chosen if rows[i].state == WorkerState.RUNNING]
        if running:
            self.stop("kill", running)
        for start in dict.fromkeys(rows[worker_id].worker.start for worker_id in chosen):
            some = [i for i in chosen if rows[i].worker.start == start]
            self._launch_again(start, some)
        return chosen

    def wait(self, n: int | None, worker_ids: Sequence[str] | None, seconds: float) -> bool:
        """Wait until they have come."""
        wanted = list(self._awaited) if worker_ids is None and n is None else worker_ids
        for look, _ in enumerate(pauses(seconds)):
            come = self._come()
            there = len(come) if wanted is None else len([i for i in wanted if i in come])
            if there >= (len(wanted or ()) if n is None else n):
                return True
            if look % _LOOKS_BETWEEN_POLLS == _LOOKS_BETWEEN_POLLS - 1:
                self._refuse_dead(wanted)
        return False

    # ── Looking ────────────────────────────────────────────────────────────────────────────────

    def table(self) -> pd.DataFrame:
        """A row for each."""
        import pandas as pd

        rows = self._store.workers()
        columns: dict[str, list[Any]] = {
            "worker_id": [row.worker.worker_id for row in rows],
            "pid": [row.worker.pid for row in rows],
            "remote": [row.worker.remote for row in rows],
            "hostname": [row.worker.hostname for row in rows],
            "heartbeat": [row.heartbeat for row in rows],
            "state": [row.state for row in rows],
            "launcher": [row.worker.launcher for row in rows],
            "reason": [row.reason or None for row in rows],
        }
        table = pd.DataFrame(columns)
        table["heartbeat"] = pd.to_datetime(table["heartbeat"], unit="s", utc=True)
        return table

    def ids(self, state: str | None = None) -> list[str]:
        """Ids of the workers in a state, or of all."""
        rows = self._store.workers()
        return [row.worker.worker_id for row in rows if state is None or row.state == state]

    def detect_lost(self) -> list[str]:
        """Those that are lost since the last call."""
        ended = self._fleet.ended()
        for row in self._store.workers():
            life = row.worker.life
            if row.state == WorkerState.RUNNING and life in ended:
                reason = f"its launcher says: {ended[life]}"
                self._store.end_worker(row.worker.worker_id, life, WorkerState.LOST.value, reason)
        self._fleet.forget(life for life in ended if life not in self._awaited.values())
        lost = [row for row in self._store.workers() if row.state == WorkerState.LOST]
        new = [row for row in lost if row.worker.life not in self._known_lost]
        self._known_lost.update(row.worker.life for row in new)
        return [row.worker.worker_id for row in new]

    # ── Stopping ───────────────────────────────────────────────────────────────────────────────

    def stop(self, order: str, worker_ids: Sequence[str] | None) -> list[str]:
        """Stop these; which of them ran."""
        rows = {row.worker.worker_id: row for row in self._store.workers()}
        asked = [i for i, row in rows.items() if row.state == WorkerState.RUNNING]
        if worker_ids is not None:
            asked = list(worker_ids)
        stopped = self._store.order(asked, order)
        for worker_id in asked:
            if worker_ids is not None and worker_id not in stopped:
                text = f"worker {worker_id!r} does not run: there is nothing to stop"
                warnings.warn(RushWarning(text), stacklevel=4)
        if order == "kill":
            self._fleet.terminate([rows[worker_id].worker.life for worker_id in stopped])
        return stopped

    def end_all(self) -> None:
        """End what was started here, however far it has come."""
        self._fleet.terminate()
        self._awaited.clear()

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _keep_start(
        self,
        loop: Loop,
        arguments: Mapping[str, Any],
        settings: WorkerSettings,
        launcher: tuple[str, Mapping[str, Any]],
    ) -> str:
        name, start = make_start(
            loop, arguments, settings, self._values, launcher, self._seconds_store
        )
        self._store.set_value(name, start)
        return name

    def _launch_again(self, start: str, worker_ids: Sequence[str]) -> None:
        kept = self._store.get_value(start)
        if kept is None:
            raise StoreError(f"the network does not know any more what {worker_ids[0]} ran")
        told = msgspec.msgpack.decode(kept, type=Start)
        options = cast("dict[str, Any]", pickle.loads(told.launcher_options))
        tickets = [Ticket(worker_id, token(), start) for worker_id in worker_ids]
        self._fleet.launch(self._fleet.launcher(told.launcher, options), tickets)
        self._awaited.update((ticket.worker_id, ticket.life) for ticket in tickets)

    def _coming(self) -> set[str]:
        """Ids of those that were launched, have not come, and may yet."""
        self._come()
        ended = self._fleet.ended(self._awaited.values())
        self._awaited = {i: life for i, life in self._awaited.items() if life not in ended}
        return set(self._awaited)

    def _come(self) -> set[str]:
        """Ids of those that have come, in the life that is waited for if one is."""
        come = set()
        for row in self._store.workers():
            worker_id = row.worker.worker_id
            if self._awaited.get(worker_id, row.worker.life) == row.worker.life:
                self._awaited.pop(worker_id, None)
                come.add(worker_id)
        return come

    def _refuse_dead(self, wanted: Sequence[str] | None) -> None:
        """Raise for a worker that ended before it came."""
        lives = [self._awaited[i] for i in wanted or self._awaited if i in self._awaited]
        if not lives:
            return
        ended = self._fleet.ended(lives)
        come = {*self._come(), *self.ids("running")}  # another manager may have restarted it, too
        for worker_id, life in list(self._awaited.items()):
            if life in ended:
                del self._awaited[worker_id]
                if worker_id not in come:
                    raise self._fleet.error_of(life, ended[life])


def _was_launched(row: WorkerRow) -> bool:
    return row.worker.launcher != "script"


def _require_restartable(worker_id: str, rows: Mapping[str, WorkerRow]) -> None:
    if worker_id not in rows:
        raise ConfigError(f"worker_ids: the network has no worker {worker_id!r}")
    if not _was_launched(rows[worker_id]):
        raise ConfigError(
            f"worker {worker_id!r} was started by a script: run that again where it ran"
        )
