"""How many tasks and workers a network has, and which tasks are in which state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from crew_core import ConfigError
from crew_rush._model.states import TaskState

if TYPE_CHECKING:
    from crew_rush._store.base import Store


class Census:
    """What a network has. ``Tasks`` derives from it.

    Args:
        store: the network's part of a store.
        network_id: the network's.
    """

    def __init__(self, store: Store, network_id: str) -> None:
        self._store = store
        self._network_id = network_id

    @property
    def network_id(self) -> str:
        """The id of the network.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush("example") as rush:
            ...     rush.network_id
            'example'
        """
        return self._network_id

    @property
    def n_tasks(self) -> int:
        """How many tasks there are, in whichever state.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.n_tasks
            0
        """
        counts = self._store.counts()
        in_work = counts.queued + counts.pending + counts.running
        return in_work + counts.finished + counts.failed

    @property
    def n_queued_tasks(self) -> int:
        """How many tasks wait for a worker.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.n_queued_tasks
            0
        """
        return self._store.counts().queued

    @property
    def n_pending_tasks(self) -> int:
        """How many tasks a worker has taken and not begun.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.n_pending_tasks
            0
        """
        return self._store.counts().pending

    @property
    def n_running_tasks(self) -> int:
        """How many tasks are being evaluated.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.n_running_tasks
            0
        """
        return self._store.counts().running

    @property
    def n_finished_tasks(self) -> int:
        """How many tasks are finished: exactly those that a fetch brings.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.n_finished_tasks
            0
        """
        return self._store.counts().finished

    @property
    def n_failed_tasks(self) -> int:
        """How many tasks have failed.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.n_failed_tasks
            0
        """
        return self._store.counts().failed

    @property
    def n_workers(self) -> int:
        """How many workers the network has had so far.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.n_workers
            0
        """
        return self._store.counts().workers

    @property
    def n_running_workers(self) -> int:
        """How many workers run now.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.n_running_workers
            0
        """
        return self._store.counts().running_workers

    def tasks_with_state(self, state: str) -> list[str]:
        """Keys of the tasks in a state, in the order in which they came into it.

        Raises:
            ConfigError: there is no such state.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     keys = rush.push_tasks([{"x": 1}])
            ...     rush.tasks_with_state("queued") == keys
            True
        """
        return self._store.keys(check_state(state))

    def is_running_task(self, keys: Sequence[str]) -> list[bool]:
        """For each key whether its task is being evaluated.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.is_running_task(rush.push_tasks([{"x": 1}]))
            [False]
        """
        return [state == "running" for state in self._store.states(list(keys))]

    def is_failed_task(self, keys: Sequence[str]) -> list[bool]:
        """For each key whether its task has failed.

        Example::

            >>> import crew_rush
            >>> with crew_rush.Rush() as rush:
            ...     rush.is_failed_task(rush.push_failed_tasks([{"x": 1}], "why"))
            [True]
        """
        return [state == "failed" for state in self._store.states(list(keys))]


def check_state(state: str) -> str:
    try:
        return TaskState(state).value
    except ValueError:
        valid = ", ".join(s.value for s in TaskState)
        raise ConfigError(f"state={state!r}: must be one of {valid}") from None
