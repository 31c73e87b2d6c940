"""Reads what LSF's commands print, apart from states. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from crew_cluster._cluster.commands import Answer
from crew_cluster._cluster.job import Handle
from crew_cluster._cluster.scheduler import UnreadableError, Verdict

_SUBMITTED = re.compile(r"^\s*Job <(\d+)> is submitted", re.MULTILINE)

_UNSURE = ("Communication time out", "Failed in receiving", "Bad reply")
_BUSY = (
    "not responding",
    "LSF is down",
    "Cannot connect",
    "Connection refused",
    "threshold reached",
    "job limit",
)
_NO_SUCH_JOB = (
    "is not found",
    "No matching job found",
    "No unfinished job found",
    "No job found",
    "already finished",
)
_BEING_DONE = "Operation is in progress"  # of all elements of an array
_WAITED = "still trying"


def job_id(answer: Answer) -> str:
    """The id of a job, of an array without its indices.

    Sites let programs of their own print lines around it.

    Raises:
        UnreadableError: there is none.
    """
    if match := _SUBMITTED.search(answer.stdout):
        return match[1]
    raise UnreadableError(f"no id of a job in {answer.stdout!r}")


def verdict(answer: Answer) -> Verdict:
    """What it means that ``bsub`` failed: its exit code is always the same."""
    said = answer.stderr + answer.stdout
    if any(words in said for words in _UNSURE):
        return Verdict.UNSURE
    return Verdict.BUSY if any(words in said for words in _BUSY) else Verdict.REFUSED


def knows_none(answer: Answer) -> bool:
    """True when the only trouble is that some jobs have ended or are not known."""
    return _complains_only(answer, _NO_SUCH_JOB)


def is_cancelled(answer: Answer) -> bool:
    """True when ``bkill`` did it or will, or there was nothing left to do for some jobs."""
    return answer.returncode == 0 or _complains_only(answer, (*_NO_SUCH_JOB, _BEING_DONE))


def _complains_only(answer: Answer, known: Sequence[str]) -> bool:
    complaints = [
        line for line in answer.stderr.splitlines() if line.strip() and _WAITED not in line
    ]
    return bool(complaints) and all(any(words in line for words in known) for line in complaints)


def element(job: str, index: int | None) -> str:
    """LSF's name of a job or of an element of an array."""
    return job if index is None else f"{job}[{index}]"


def to_cancel(handles: Sequence[Handle]) -> list[str]:
    """The fewest names of some elements of one submission: "7", or "7[1]" and "7[8]".

    Never "0", which is LSF's word for all jobs of the user.
    """
    job = handles[0].job
    indices = sorted({handle.index for handle in handles if handle.index is not None})
    if not job.strip("0"):
        return []
    if not indices or len(indices) == handles[0].count:
        return [job]
    return [element(job, index) for index in indices]
