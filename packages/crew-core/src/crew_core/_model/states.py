"""Where things are in their life cycle, and how tasks end."""

from __future__ import annotations

from enum import Enum, IntEnum

BLAMELESS = frozenset({"job_ended", "preempted", "wall_time", "node_lost"})
"""Causes of a worker's death that are not its task's fault and do not count as a crash."""

OF_OTHERS = frozenset({"job_ended", "preempted", "node_lost", "terminated"})
"""Causes of death that would have struck any worker: no reason to launch a bigger one.

The last is what a worker says that was told to end.
"""


class Status(IntEnum):
    """How a task ended. The value is the record's ``code``, which keeps R crew's numbers."""

    SUCCESS = 0
    ERROR = -1
    TIMEOUT = 5
    CRASH = 19
    CANCEL = 20

    @property
    def word(self) -> str:
        """The record's ``status``: "success", "error", "timeout", "crash" or "cancel"."""
        return self.name.lower()


class InstanceState(str, Enum):
    """The life of one instance of a worker, from before its launch to after its end."""

    SUBMITTING = "submitting"
    PENDING = "pending"
    STARTING = "starting"
    ONLINE = "online"
    DRAINING = "draining"
    EXITED = "exited"
    LAUNCH_FAILED = "launch_failed"
    LOST = "lost"
    TERMINATED = "terminated"

    @property
    def final(self) -> bool:
        """True when nothing more can happen to the instance."""
        return self in _FINAL

    @property
    def coming(self) -> bool:
        """True when the instance was launched and has not connected yet."""
        return self in _COMING


_COMING = frozenset({InstanceState.SUBMITTING, InstanceState.PENDING, InstanceState.STARTING})
_FINAL = frozenset(
    {
        InstanceState.EXITED,
        InstanceState.LAUNCH_FAILED,
        InstanceState.LOST,
        InstanceState.TERMINATED,
    }
)


class JobState(str, Enum):
    """What a platform says of a job. ``UNKNOWN`` is an answer too: never guess a final state.

    Example::

        >>> from crew_core.plugins import JobState
        >>> JobState("pending") is JobState.PENDING
        True
    """

    PENDING = "pending"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def final(self) -> bool:
        """True when the job has ended for good.

        Example::

            >>> from crew_core.plugins import JobState
            >>> JobState.PENDING.final, JobState.CANCELLED.final
            (False, True)
        """
        return self in (JobState.FINISHED, JobState.FAILED, JobState.CANCELLED)
