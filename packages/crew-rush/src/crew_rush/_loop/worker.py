"""What a loop is given: the network's tasks, and what only a worker can do with them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crew_core import ConfigError
from crew_rush._model.facts import as_field
from crew_rush._model.names import token
from crew_rush._model.states import TaskState
from crew_rush._tasks.pauses import pauses
from crew_rush._tasks.tasks import Fields, Tasks
from crew_rush._tasks.values import Values

if TYPE_CHECKING:
    from crew_rush._model.facts import Task
    from crew_rush._store.base import Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TaskRecord:
    """A task to evaluate.

    Attributes:
        key: what to name it by when it is finished.
        xs: what to evaluate.
        xs_extra: what else came with it.

    Example::

        >>> import crew_rush
        >>> crew_rush.TaskRecord("key", {"x": 1}).xs["x"]
        1
    """

    key: str
    xs: Mapping[str, Any]
    xs_extra: Mapping[str, Any] | None = None


class RushWorker(Tasks):
    """A network as one of its workers sees it; a loop's first argument.

    Args:
        store: the network's part of a store.
        network_id: the network's.
        values: to bytes and back.
        worker_id: of this worker.
        life: of this start of it.

    Example::

        >>> import crew_rush
        >>> def loop(rush, rounds):
        ...     for number in range(rounds):
        ...         if rush.terminated:
        ...             return
        ...         keys = rush.push_running_tasks([{"x": number}])
        ...         rush.finish_tasks(keys, [{"y": number**2}])
        >>> with crew_rush.Rush() as rush:
        ...     _ = rush.start_local_workers(loop, {"rounds": 1}, n_workers=1)
        ...     rush.fetch_new_tasks(timeout=60)["y"].tolist()
        [0]
    """

    def __init__(
        self, store: Store, network_id: str, values: Values, worker_id: str, life: str
    ) -> None:
        super().__init__(store, network_id, values)
        self._worker_id = worker_id
        self._life = life

    @property
    def worker_id(self) -> str:
        """The id of this worker.

        Example::

            >>> import crew_rush
            >>> def loop(rush):
            ...     rush.push_finished_tasks([{"x": rush.worker_id}], [{}])
            >>> with crew_rush.Rush() as rush:
            ...     ids = rush.start_local_workers(loop, n_workers=1)
            ...     rush.fetch_new_tasks(timeout=60)["x"].tolist() == ids
            True
        """
        return self._worker_id

    @property
    def terminated(self) -> bool:
        """True once the worker was asked to end: a loop should return soon then.

        Raises:
            StoreError: the store cannot be reached.

        Example::

            >>> import crew_rush
            >>> def loop(rush):
            ...     while not rush.terminated:
            ...         rush.pop_task(timeout=0.1)
            >>> with crew_rush.Rush() as rush:
            ...     ids = rush.start_local_workers(loop, n_workers=1)
            ...     _ = rush.wait_for_workers()
            ...     rush.stop_workers() == ids
            True
        """
        return self._store.beat(self._worker_id, self._life).terminate

    def pop_task(self, timeout: float = 1.0) -> TaskRecord | None:
        """The oldest queued task, which is running from now on.

        Args:
            timeout: seconds to wait for one; then None.

        Raises:
            WorkerGoneError: this worker was killed or given up; the loop should end.
            StoreError: the store cannot be reached.

        Example::

            >>> import crew_rush
            >>> def loop(rush):
            ...     while (task := rush.pop_task(timeout=1)) is not None:
            ...         rush.finish_tasks([task.key], [{"y": task.xs["x"] + 1}])
            >>> with crew_rush.Rush() as rush:
            ...     _ = rush.push_tasks([{"x": 1}])
            ...     _ = rush.start_local_workers(loop, n_workers=1)
            ...     rush.fetch_new_tasks(timeout=60)["y"].tolist()
            [2]
        """
        for _ in pauses(timeout):
            task = self._store.pop(self._worker_id, self._life)
            if task is not None and self._store.begin(self._worker_id, self._life, task.key):
                return self._record(task)
        return None

    def push_running_tasks(
        self, xss: Sequence[Fields], xss_extra: Sequence[Fields] | None = None
    ) -> list[str]:
        """Add tasks of this worker's own making, which it evaluates now; their keys.

        Raises:
            ConfigError: the lists differ in length.
            OversizedObjectError: a value is too large; nothing was added.
            WorkerGoneError: this worker was killed or given up; the loop should end.
            StoreError: the store cannot be reached.

        Example::

            >>> import crew_rush
            >>> def loop(rush):
            ...     keys = rush.push_running_tasks([{"x": 2}])
            ...     rush.finish_tasks(keys, [{"y": 4}])
            >>> with crew_rush.Rush() as rush:
            ...     _ = rush.start_local_workers(loop, n_workers=1)
            ...     rush.fetch_new_tasks(timeout=60)["x"].tolist()
            [2]
        """
        worker = (self._worker_id, self._life)
        return self._push(TaskState.RUNNING, worker=worker, xss=xss, xs_extra=xss_extra)

    def finish_tasks(
        self,
        keys: Sequence[str],
        yss: Sequence[Fields],
        yss_extra: Sequence[Fields] | None = None,
    ) -> list[bool]:
        """Add results to running tasks, which are finished by that.

        Args:
            keys: of the tasks.
            yss: a mapping of names and values for each: what was found.
            yss_extra: more to keep with each.

        Returns:
            For each whether it counts. False, with a warning in the log: somebody else had
            finished or failed it before, and that stays.

        Raises:
            ConfigError: the lists differ in length.
            OversizedObjectError: a value is too large; no task was changed.
            StoreError: the store cannot be reached.

        Example::

            >>> import crew_rush
            >>> def loop(rush):
            ...     keys = rush.push_running_tasks([{"x": 2}])
            ...     rush.finish_tasks(keys, [{"y": 4}], [{"note": "quick"}])
            >>> with crew_rush.Rush() as rush:
            ...     _ = rush.start_local_workers(loop, n_workers=1)
            ...     rush.fetch_new_tasks(timeout=60)["note"].tolist()
            ['quick']
        """
        _check_length("yss", yss, keys)
        extra = [None] * len(keys) if yss_extra is None else yss_extra
        _check_length("yss_extra", extra, keys)
        fields = [
            self._values.encode_fields(ys=ys, ys_extra=more)
            for ys, more in zip(yss, extra, strict=True)
        ]
        return self._decide(TaskState.FINISHED, keys, fields)

    def push_results(
        self,
        keys: Sequence[str],
        yss: Sequence[Fields],
        yss_extra: Sequence[Fields] | None = None,
    ) -> list[bool]:
        """The same as ``finish_tasks``, by its name in rush for R.

        Example::

            >>> import crew_rush
            >>> def loop(rush):
            ...     keys = rush.push_running_tasks([{"x": 2}])
            ...     rush.push_results(keys, [{"y": 4}])
            >>> with crew_rush.Rush() as rush:
            ...     _ = rush.start_local_workers(loop, n_workers=1)
            ...     rush.fetch_new_tasks(timeout=60)["y"].tolist()
            [4]
        """
        return self.finish_tasks(keys, yss, yss_extra)

    def fail_tasks(self, keys: Sequence[str], conditions: str | Sequence[str]) -> list[bool]:
        """Say of running tasks that they failed.

        Args:
            keys: of the tasks.
            conditions: why each failed, or one text for all.

        Returns:
            For each whether it counts; see ``finish_tasks``.

        Raises:
            ConfigError: the lists differ in length.
            StoreError: the store cannot be reached.

        Example::

            >>> import crew_rush
            >>> def loop(rush):
            ...     keys = rush.push_running_tasks([{"x": 2}])
            ...     rush.fail_tasks(keys, "it diverged")
            ...     rush.push_finished_tasks([{"x": 0}], [{}])
            >>> with crew_rush.Rush() as rush:
            ...     _ = rush.start_local_workers(loop, n_workers=1)
            ...     _ = rush.fetch_new_tasks(timeout=60)
            ...     rush.fetch_failed_tasks()["condition"].tolist()
            ['it diverged']
        """
        texts = [conditions] * len(keys) if isinstance(conditions, str) else list(conditions)
        _check_length("conditions", texts, keys)
        fields = [{"condition": as_field(text)} for text in texts]
        return self._decide(TaskState.FAILED, keys, fields)

    # ── Inside ─────────────────────────────────────────────────────────────────────────────────

    def _decide(
        self, state: TaskState, keys: Sequence[str], fields: Sequence[dict[str, bytes]]
    ) -> list[bool]:
        if not keys:
            return []
        outcomes = list(zip(keys, fields, strict=True))
        counts = self._store.decide(state.value, token(), outcomes)
        for key, counted in zip(keys, counts, strict=True):
            if not counted:
                _log.warning(
                    "task %s was not running any more: that it %s here was discarded",
                    key,
                    state.value,
                )
        return counts

    def _record(self, task: Task) -> TaskRecord:
        extra = task.fields.get("xs_extra")
        return TaskRecord(
            task.key,
            self._values.decode(task.fields["xs"]),
            None if extra is None else self._values.decode(extra),
        )


def _check_length(name: str, some: Sequence[object], keys: Sequence[str]) -> None:
    if len(some) != len(keys):
        raise ConfigError(f"{name}: has {len(some)} entries for {len(keys)} keys")
