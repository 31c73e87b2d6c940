"""What a scheduler says of one worker's job, in words that all schedulers share."""

from __future__ import annotations

from dataclasses import dataclass

from crew_core.plugins import JobState


@dataclass(frozen=True)
class Report:
    """A scheduler's word on one job.

    Attributes:
        state: what it comes to.
        raw: the scheduler's own word.
        reason: why it waits, or how it ended, in the scheduler's own words.
        cause: how a worker died of it: "out_of_memory", "wall_time", "preempted", "node_lost",
            "job_ended", "signal N" or "exit N"; None when nothing is known.
        host: where it runs or ran.
        hopeless: it waits, and the scheduler says that it can never run.
    """

    state: JobState
    raw: str = ""
    reason: str = ""
    cause: str | None = None
    host: str = ""
    hopeless: bool = False


UNKNOWN = Report(JobState.UNKNOWN)
"""Nobody has said anything."""
