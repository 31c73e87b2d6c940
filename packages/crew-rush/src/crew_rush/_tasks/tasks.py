"""The part of a network that managers and workers share: add tasks, look at them, wait for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crew_core import ConfigError
from crew_rush._model.facts import as_field
from crew_rush._model.names import token
from crew_rush._model.states import TaskState
from crew_rush._tasks.census import Census, check_state
from crew_rush._tasks.finished import FinishedTasks
from crew_rush._tasks.frames import check_fields, row, table
from crew_rush._tasks.pauses import pauses
from crew_rush._tasks.values import Values

if TYPE_CHECKING:
    import pandas as pd

    from crew_rush._store.base import Outcome, Store

_AWAITED_AT_ONCE = 1000

Fields = Mapping[str, Any]
"""Names and values: a point, or what was found there."""


class Tasks(Census):
    """The tasks of a network. ``Rush`` and ``RushWorker`` derive from it.

    Args:
        store: the network's part of a store.
        network_id: the network's.
        values: to bytes and back.
    """

    def __init__(self, store: Store, network_id: str, values: Values) -> None:
        super().__init__(store, network_id)
        self._values = values
        self._finished = FinishedTasks(store, values)

    # ── Adding tasks ───────────────────────────────────────────────────────────────────────────

    def push_tasks(
        self, xss: Sequence[Fields], xss_extra: Sequence[Fields] | None = None
    ) -> list[str]:
        """Queue tasks for whichever worker takes them; their keys.

        Args:
            xss: a mapping of names and values for each task: what is to be evaluated.
            xss_extra: more to keep with each.

        Raises:
            ConfigError: the lists differ in length.
            OversizedObjectError: a value is too large; nothing was queued.
            StoreError: the store cannot be reached.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     keys = rush.push_tasks([{"x": 1}, {"x": 2}])
            ...     rush.n_queued_tasks
            2
        """
        return self._push(TaskState.QUEUED, xss=xss, xs_extra=xss_extra)

    def push_finished_tasks(
        self,
        xss: Sequence[Fields],
        yss: Sequence[Fields],
        xss_extra: Sequence[Fields] | None = None,
        yss_extra: Sequence[Fields] | None = None,
    ) -> list[str]:
        """Add tasks that were evaluated elsewhere; their keys.

        Raises:
            ConfigError: the lists differ in length.
            OversizedObjectError: a value is too large; nothing was added.
            StoreError: the store cannot be reached.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     keys = rush.push_finished_tasks([{"x": 1}], [{"y": 10}])
            ...     rush.fetch_finished_tasks()[["x", "y"]].to_dict("records")
            [{'x': 1, 'y': 10}]
        """
        return self._push(
            TaskState.FINISHED, xss=xss, ys=yss, xs_extra=xss_extra, ys_extra=yss_extra
        )

    def push_failed_tasks(
        self,
        xss: Sequence[Fields],
        conditions: str | Sequence[str],
        xss_extra: Sequence[Fields] | None = None,
    ) -> list[str]:
        """Add tasks that failed elsewhere; their keys.

        Args:
            xss: what was to be evaluated.
            conditions: why each failed, or one text for all.
            xss_extra: more to keep with each.

        Raises:
            ConfigError: the lists differ in length.
            StoreError: the store cannot be reached.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     keys = rush.push_failed_tasks([{"x": 1}], "no memory")
            ...     rush.fetch_failed_tasks()["condition"].tolist()
            ['no memory']
        """
        texts = [conditions] * len(xss) if isinstance(conditions, str) else list(conditions)
        _check_lengths(len(xss), conditions=texts)
        added = [{"condition": as_field(text)} for text in texts]
        return self._push(TaskState.FAILED, added, xss=xss, xs_extra=xss_extra)

    def empty_queue(self) -> int:
        """Fail all queued tasks at once; how many there were.

        Raises:
            StoreError: the store cannot be reached.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     _ = rush.push_tasks([{"x": 1}, {"x": 2}])
            ...     rush.empty_queue()
            2
        """
        return self._store.empty_queue(as_field("removed from the queue"))

    # ── Fetching ───────────────────────────────────────────────────────────────────────────────

    def fetch_finished_tasks(self, fields: Sequence[str] | None = None) -> pd.DataFrame:
        """Finished tasks, a row each, in the order in which they were finished.

        What was fetched before is not fetched again.

        Args:
            fields: any of "xs", "xs_extra", "ys", "ys_extra", "worker_id", "condition"; None: all.
                Each name in the first four is a column. ``key`` is always there.

        Raises:
            ConfigError: there is no such field.
            StoreError: the store cannot be reached.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     _ = rush.push_finished_tasks([{"x": 1}], [{"y": 10}])
            ...     rush.fetch_finished_tasks(fields=["ys"]).columns.tolist()
            ['key', 'y']
        """
        return self._finished.fetch(check_fields(fields))

    def fetch_new_tasks(
        self, fields: Sequence[str] | None = None, timeout: float = 0.0
    ) -> pd.DataFrame:
        """Finished tasks that no earlier call of this method has brought.

        Args:
            fields: as of ``fetch_finished_tasks``.
            timeout: seconds to wait for one at least; then there are no rows.

        Raises:
            ConfigError: there is no such field.
            StoreError: the store cannot be reached.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     _ = rush.push_finished_tasks([{"x": 1}], [{"y": 10}])
            ...     len(rush.fetch_new_tasks()), len(rush.fetch_new_tasks())
            (1, 0)
        """
        checked = check_fields(fields)
        for _ in pauses(timeout):
            new = self._finished.fetch_new(checked)
            if len(new):
                break
        return new

    def fetch_queued_tasks(self, fields: Sequence[str] | None = None) -> pd.DataFrame:
        """Queued tasks, the oldest first; see ``fetch_finished_tasks``.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     _ = rush.push_tasks([{"x": 1}])
            ...     rush.fetch_queued_tasks()["x"].tolist()
            [1]
        """
        return self._fetch("queued", fields)

    def fetch_running_tasks(self, fields: Sequence[str] | None = None) -> pd.DataFrame:
        """Tasks that are being evaluated; see ``fetch_finished_tasks``.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     len(rush.fetch_running_tasks())
            0
        """
        return self._fetch("running", fields)

    def fetch_failed_tasks(self, fields: Sequence[str] | None = None) -> pd.DataFrame:
        """Failed tasks, with why in the column "condition"; see ``fetch_finished_tasks``.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     len(rush.fetch_failed_tasks())
            0
        """
        return self._fetch("failed", fields)

    def fetch_tasks(self, fields: Sequence[str] | None = None) -> pd.DataFrame:
        """All tasks in the order in which they came; see ``fetch_finished_tasks``.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     len(rush.fetch_tasks())
            0
        """
        return self._fetch(None, fields)

    def fetch_tasks_with_state(
        self,
        fields: Sequence[str] | None = None,
        states: Sequence[str] = ("queued", "running", "finished", "failed"),
    ) -> pd.DataFrame:
        """Tasks in some states, with the column "state"; see ``fetch_finished_tasks``.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     _ = rush.push_tasks([{"x": 1}])
            ...     rush.fetch_tasks_with_state()["state"].tolist()
            ['queued']
        """
        checked = check_fields(fields)
        keys = [key for state in states for key in self._store.keys(check_state(state))]
        found = [task for task in self._store.read(keys) if task is not None]
        # One may have gone on to another state meanwhile: it is shown once, as it is now.
        last = {task.key: task for task in found}
        return table(row(task, self._values, checked, state=True) for task in last.values())

    def reset_cache(self) -> None:
        """Forget what was fetched: the next fetch brings all.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.reset_cache()
        """
        self._finished.forget()

    # ── Waiting ────────────────────────────────────────────────────────────────────────────────

    def wait_for_tasks(self, keys: Sequence[str], timeout: float | None = None) -> bool:
        """Wait until all of these are finished or have failed, also by their worker's death.

        Args:
            keys: of tasks.
            timeout: seconds; None: for ever, 0: look once.

        Returns:
            False when the time was up before.

        Raises:
            ConfigError: there is no task of some key.
            StoreError: the store cannot be reached.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.wait_for_tasks(rush.push_tasks([{"x": 1}]), timeout=0)
            False
        """
        left = deque(keys)
        for _ in pauses(timeout):
            # Those at the head first: as long as one of them is not done, the others can wait.
            while left:
                some = [left.popleft() for _ in range(min(_AWAITED_AT_ONCE, len(left)))]
                undone = self._undone(some)
                left.extendleft(reversed(undone))
                if undone:
                    break
            if not left:
                return True
        return False

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _undone(self, keys: Sequence[str]) -> list[str]:
        states = self._store.states(keys)
        if None in states:
            raise ConfigError(f"keys: there is no task {keys[states.index(None)]!r}")
        return [key for key, state in zip(keys, states, strict=True) if not _is_final(state)]

    def _push(
        self,
        state: TaskState,
        added: Sequence[dict[str, bytes]] | None = None,
        worker: tuple[str, str] | None = None,
        **lists: Sequence[Fields] | None,
    ) -> list[str]:
        """Add tasks with these fields, given as a list for each field."""
        xss = lists.pop("xss")
        assert xss is not None
        given = {"xs": xss, **{name: some for name, some in lists.items() if some is not None}}
        _check_lengths(len(xss), **given)
        tasks: list[Outcome] = []
        for index in range(len(xss)):
            fields = self._values.encode_fields(**{n: some[index] for n, some in given.items()})
            tasks.append((token(), {**fields, **(added[index] if added else {})}))
        if tasks:
            self._store.push(tasks, state.value, worker)
        return [key for key, _ in tasks]

    def _fetch(self, state: str | None, fields: Sequence[str] | None) -> pd.DataFrame:
        checked = check_fields(fields)
        found = self._store.read(self._store.keys(state))
        return table(row(task, self._values, checked) for task in found if task is not None)


def _check_lengths(length: int, **lists: Sequence[object]) -> None:
    for name, some in lists.items():
        if isinstance(some, Mapping):
            raise ConfigError(f"{name}: must be a list with a mapping for each task, not a mapping")
        if len(some) != length:
            raise ConfigError(f"{name}: has {len(some)} entries for {length} tasks")


def _is_final(state: str | None) -> bool:
    return state is not None and TaskState(state).final
