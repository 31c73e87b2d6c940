"""What stands for a worker once it was submitted."""

from __future__ import annotations

from dataclasses import dataclass

from crew_aws_batch._aws.names import element


@dataclass(frozen=True)
class Handle:
    """One worker. What launch daemons and later sessions know it by.

    Attributes:
        job: AWS's id of the job, or of its array.
        index: its place in the array, from 0; None for a plain job.
        count: how many workers the submission has.
        name: the submission's.
        share: so many workers share an entry in the store of secrets; 0: there is none, or none is
            known of.
    """

    job: str
    index: int | None
    count: int
    name: str
    share: int = 0

    @property
    def element(self) -> str:
        """AWS's own name of this worker's job: "id", "id:4"."""
        return element(self.job, self.index)


def handles_of(job: str, name: str, count: int, share: int = 0) -> list[Handle]:
    """A handle for each worker of a submission, in order."""
    indices = range(count) if count > 1 else (None,)
    return [Handle(job, index, count, name, share) for index in indices]
