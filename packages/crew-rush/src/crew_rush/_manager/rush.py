"""A network of workers that share tasks, as its manager holds it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from crew_rush._manager.crew import Crew
from crew_rush._manager.logs import log_line, log_table
from crew_rush._manager.plan import current_plan
from crew_rush._manager.workforce import Workforce
from crew_rush._model.names import check_network, token
from crew_rush._store.embedded.owner import EmbeddedStore
from crew_rush._store.opening import SECONDS_STORE, open_store
from crew_rush._tasks.tasks import Tasks
from crew_rush._tasks.values import LARGE_OBJECT_BYTES, Values

if TYPE_CHECKING:
    import pandas as pd


class Rush(Workforce, Tasks):
    """A network: workers that each run a loop, and the tasks that they make, share and finish.

    No queue decides who does what: loops do. Everything is in the store, so that a manager may go
    and come back, and several may look on.

    Args:
        network_id: its name in the store; None: a new one. A network that is there is joined.
        store: an ``EmbeddedStore``, or the address of a store: ``rush.store.url`` of another
            process, ``redis://HOST:PORT/NUMBER``, ``rediss://...``. None: that of the plan, else
            an embedded store in memory, which ends with this object.
        create: False: the network must be there.
        seconds_store: how long everybody, workers too, waits for a store that is away.
        large_object_bytes: the most bytes of one value in the store.
        large_objects_path: a folder for larger ones, on a disk that all share.

    Raises:
        ConfigError: an argument is impossible.
        NetworkNotFoundError: with ``create=False``.
        StoreError: the store cannot be reached or does not let us in.

    Example::

        >>> import crew_rush
        >>> def loop(rush):
        ...     while (task := rush.pop_task()) is not None:
        ...         rush.finish_tasks([task.key], [{"y": task.xs["x"] ** 2}])
        >>> with crew_rush.Rush() as rush:
        ...     keys = rush.push_tasks([{"x": 2}, {"x": 3}])
        ...     ids = rush.start_local_workers(loop, n_workers=1)
        ...     done = rush.wait_for_tasks(keys, timeout=60)
        ...     rush.fetch_finished_tasks()["y"].tolist()
        [4, 9]
    """

    def __init__(
        self,
        network_id: str | None = None,
        *,
        store: EmbeddedStore | str | None = None,
        create: bool = True,
        seconds_store: float = SECONDS_STORE,
        large_object_bytes: int = LARGE_OBJECT_BYTES,
        large_objects_path: str | os.PathLike[str] | None = None,
    ) -> None:
        folder = current_plan().large_objects_path
        values = Values(large_object_bytes, large_objects_path or folder)
        network = f"rush-{token()[:12]}" if network_id is None else check_network(network_id)
        given = current_plan().store if store is None else store
        self._own_store = EmbeddedStore() if given is None else None
        self._where: EmbeddedStore | str = self._own_store or given or ""
        try:
            connection = open_store(self._where, network, seconds_store)
            connection.attach(create=create)
        except BaseException:
            if self._own_store is not None:
                self._own_store.close()
            raise
        super().__init__(connection, network, values)
        self._crew = Crew(connection, self._where, network, values, seconds_store)
        self._log_told = 0

    @property
    def store(self) -> _StoreView:
        """Where everything is: ``rush.store.url`` lets another process join.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush("example") as rush:
            ...     crew_rush.Rush("example", store=rush.store.url).n_tasks
            0
        """
        return _StoreView(self._store.url)

    # ── Logs ───────────────────────────────────────────────────────────────────────────────────

    def read_log(self, worker_ids: Sequence[str] | None = None) -> pd.DataFrame:
        """What workers logged, by time: worker_id, time (UTC), level, logger, message.

        Args:
            worker_ids: of these; None: of all.

        Raises:
            StoreError: the store cannot be reached.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.read_log().columns.tolist()
            ['worker_id', 'time', 'level', 'logger', 'message']
        """
        return log_table(self._store.read_log(0), worker_ids)

    def print_log(self) -> None:
        """Print what workers logged since the last call.

        Raises:
            StoreError: the store cannot be reached.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.print_log()
        """
        events = self._store.read_log(self._log_told)
        self._log_told += len(events)
        for event in sorted(events, key=lambda event: event.time):
            sys.stdout.write(log_line(event) + "\n")

    # ── Beginning anew, and the end ────────────────────────────────────────────────────────────

    def reconnect(self) -> None:
        """Connect to the store anew: it may have moved, or this object come by fork.

        Raises:
            NetworkNotFoundError: the network is gone.
            StoreError: the store cannot be reached or does not let us in.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.reconnect()
        """
        self._store.attach(create=False)
        self.reset_cache()

    def reset_data(self) -> None:
        """Remove all tasks and logs. Workers go on.

        Raises:
            StoreError: the store cannot be reached.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     _ = rush.push_tasks([{"x": 1}])
            ...     rush.reset_data()
            ...     rush.n_tasks
            0
        """
        self._store.reset_data()
        self.reset_cache()
        self._log_told = 0

    def reset(self) -> None:
        """Kill all workers and remove everything; the network is there, and empty.

        Raises:
            StoreError: the store cannot be reached.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.reset()
            ...     rush.n_workers
            0
        """
        self._crew.stop("kill", None)
        self._crew.end_all()
        self._store.reset()
        self._store.attach(create=True)
        self.reset_cache()
        self._log_told = 0

    def close(self) -> None:
        """Close the connection. An embedded store that this object made ends, and its workers too.

        Example::

            >>> import crew_rush
            >>> crew_rush.Rush().close()
        """
        if self._own_store is not None:
            self._crew.end_all()
        self._store.close()
        if self._own_store is not None:
            self._own_store.close()

    def __enter__(self) -> Rush:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<crew-rush network {self._network_id!r} at {self._store.url}>"


class _StoreView:
    """What ``rush.store`` is: an address."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __repr__(self) -> str:
        return f"<crew-rush store {self.url}>"
