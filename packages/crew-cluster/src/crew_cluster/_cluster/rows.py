"""One line of a monitor's table: a job as a person wants to see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Row:
    """A job, or an element of an array.

    Attributes:
        job: the scheduler's own name of it: "123_4".
        submission: the id of the submission that it belongs to: "123".
        index: its index in the array; None for a plain job.
        name: the job's name.
        state: "pending", "running", "ending", "finished", "failed", "cancelled" or "unknown".
        raw_state: the scheduler's own word.
        reason: why it waits, or how it ended.
        queue: its queue or partition.
        host: where it runs or ran.
        submitted: when, UTC.
        started: when, UTC.
        finished: when, UTC.
        exit_code: of the script.
    """

    job: str
    submission: str
    index: int | None = None
    name: str = ""
    state: str = "unknown"
    raw_state: str = ""
    reason: str = ""
    queue: str = ""
    host: str = ""
    submitted: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    exit_code: int | None = None
