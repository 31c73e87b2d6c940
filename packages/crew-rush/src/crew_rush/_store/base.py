"""The interface of stores: everything that managers and workers share goes through these methods.

A store gives every change to one caller at a time, whole or not at all. Each method may be called
again with the same arguments, as happens when a connection breaks before the answer has come: the
second call changes nothing and answers the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from crew_rush._model.facts import Counts, LogEvent, Orders, Task, Worker, WorkerRow

Outcome = tuple[str, dict[str, bytes]]
"""A task's key and what was found: its fields to be."""


class Store(ABC):
    """One network's part of a store.

    Attributes:
        url: where it is, without secrets.
    """

    url: str

    # ── The network ────────────────────────────────────────────────────────────────────────────

    @abstractmethod
    def attach(self, *, create: bool) -> None:
        """Begin to use the network, which is made when it is not there.

        Raises:
            NetworkNotFoundError: it is not there, and is not to be made.
            StoreError: the store cannot be reached or does not let us in.
        """

    @abstractmethod
    def reset_data(self) -> None:
        """Remove all tasks and logs. Workers stay."""

    @abstractmethod
    def reset(self) -> None:
        """Remove everything: the network is gone. Its workers end."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    @abstractmethod
    def set_value(self, name: str, value: bytes) -> None:
        """Keep something under a name."""

    @abstractmethod
    def get_value(self, name: str) -> bytes | None:
        """What is kept under a name."""

    # ── Tasks ──────────────────────────────────────────────────────────────────────────────────

    @abstractmethod
    def push(self, tasks: Sequence[Outcome], state: str, worker: tuple[str, str] | None) -> None:
        """Add tasks in this state. Those whose key is there already are left as they are.

        Args:
            tasks: keys and fields.
            state: any but pending.
            worker: id and life of the worker that has them; None: a manager's.

        Raises:
            WorkerGoneError: it is no worker of the network any more.
        """

    @abstractmethod
    def pop(self, worker_id: str, life: str) -> Task | None:
        """Take the oldest queued task: it is pending. The same again until it was begun.

        Raises:
            WorkerGoneError: it is no worker of the network any more.
        """

    @abstractmethod
    def begin(self, worker_id: str, life: str, key: str) -> bool:
        """A pending task is running; False when it is not this worker's any more."""

    @abstractmethod
    def decide(self, state: str, attempt: str, outcomes: Sequence[Outcome]) -> list[bool]:
        """Finish or fail running tasks; the first who decides a task wins.

        Args:
            state: finished or failed.
            attempt: an id of this very call.
            outcomes: keys, and fields to add.

        Returns:
            For each whether it is decided as said here.
        """

    @abstractmethod
    def empty_queue(self, condition: bytes) -> int:
        """Fail all queued tasks; how many there were."""

    @abstractmethod
    def counts(self) -> Counts:
        """How many tasks and workers are in which state."""

    @abstractmethod
    def keys(self, state: str | None) -> list[str]:
        """Keys of tasks in a state, or of all, in the order in which they came there."""

    @abstractmethod
    def read(self, keys: Sequence[str]) -> list[Task | None]:
        """Tasks by their keys; None for those that are not there."""

    @abstractmethod
    def states(self, keys: Sequence[str]) -> list[str | None]:
        """States of tasks by their keys; None for those that are not there."""

    @abstractmethod
    def read_finished(self, era: str, start: int) -> tuple[str, list[Task]]:
        """Finished tasks from a position on, in the order in which they were finished.

        Args:
            era: what an earlier call returned; "" for the first. Each reset begins another.
            start: how many are known already.

        Returns:
            The era, and the tasks: all there are when the era is another than was said.
        """

    # ── Workers ────────────────────────────────────────────────────────────────────────────────

    @abstractmethod
    def register(self, worker: Worker, seconds_expire: float) -> None:
        """A worker has come. One of the same id and another life is lost by that."""

    @abstractmethod
    def beat(self, worker_id: str, life: str) -> Orders:
        """A worker is there; what it is to do."""

    @abstractmethod
    def end_worker(self, worker_id: str, life: str, state: str, reason: str) -> None:
        """A worker is no more. Its running tasks fail, a pending one is queued again, as first."""

    @abstractmethod
    def order(self, worker_ids: Sequence[str], order: str) -> list[str]:
        """Tell workers to "terminate", or that they are dead: "kill"; which were running."""

    @abstractmethod
    def workers(self) -> list[WorkerRow]:
        """All workers of the network, in the order in which they came first."""

    # ── Logs ───────────────────────────────────────────────────────────────────────────────────

    @abstractmethod
    def add_log(self, batch: str, events: Sequence[LogEvent]) -> None:
        """Keep records of logging; a batch that is there already is not added again."""

    @abstractmethod
    def read_log(self, start: int) -> list[LogEvent]:
        """Records from a position on, as they came."""
