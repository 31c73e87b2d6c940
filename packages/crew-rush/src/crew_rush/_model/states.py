"""Where a task and a worker are in their lives."""

from __future__ import annotations

from enum import Enum


class TaskState(str, Enum):
    """Of a task. It goes through these in order, and has one of the last two in the end.

    Example::

        >>> import crew_rush
        >>> [state.value for state in crew_rush.TaskState if state.final]
        ['finished', 'failed']
    """

    QUEUED = "queued"
    PENDING = "pending"  # taken off the queue by a worker that has not begun it yet
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """True for a state that does not change any more.

        Example::

            >>> import crew_rush
            >>> crew_rush.TaskState.RUNNING.final
            False
        """
        return self in (TaskState.FINISHED, TaskState.FAILED)


class WorkerState(str, Enum):
    """Of a worker.

    Example::

        >>> import crew_rush
        >>> crew_rush.WorkerState("lost").final
        True
    """

    RUNNING = "running"
    TERMINATED = "terminated"  # its loop has returned, or raised
    KILLED = "killed"  # by stop_workers(type="kill")
    LOST = "lost"  # it died, or was not heard of for too long

    @property
    def final(self) -> bool:
        """False while the worker runs.

        Example::

            >>> import crew_rush
            >>> crew_rush.WorkerState.RUNNING.final
            False
        """
        return self is not WorkerState.RUNNING
