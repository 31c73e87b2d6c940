"""What is submitted, and what stands for each of its workers afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """One submission: a plain job for one worker, an array for several.

    Attributes:
        name: the job's name, which no other job has.
        count: how many workers.
        folder: where its script, credentials and output are.
    """

    name: str
    count: int
    folder: Path

    @property
    def is_array(self) -> bool:
        """True when it is submitted as an array, whose indices are 1 to ``count``."""
        return self.count > 1


@dataclass(frozen=True)
class Handle:
    """One worker of a submission. What launch daemons and earlier sessions know it by.

    Attributes:
        job: the scheduler's id of the submission, whole.
        index: its place in the array, from 1; None for a plain job.
        count: how many workers the submission has.
        name: the job's name.
        folder: where the submission's files are.
    """

    job: str
    index: int | None
    count: int
    name: str
    folder: str

    @property
    def place(self) -> int:
        """Its place in the submission, from 1."""
        return 1 if self.index is None else self.index


def handles_of(job: Job, identity: str) -> list[Handle]:
    """A handle for each worker of a submission that the scheduler took, in order."""
    indices = range(1, job.count + 1) if job.is_array else (None,)
    return [Handle(identity, index, job.count, job.name, str(job.folder)) for index in indices]
