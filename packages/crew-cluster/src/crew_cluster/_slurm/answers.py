"""Reads what SLURM's commands print, apart from states. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from crew_cluster._cluster.commands import Answer
from crew_cluster._cluster.job import Handle
from crew_cluster._cluster.scheduler import UnreadableError, Verdict

_PARSABLE = re.compile(r"\s*(\d+(?:;[\w.-]+)?)\s*")
_PROSE = re.compile(r"Submitted batch job (\d+)(?: on cluster ([\w.-]+))?")
_ARRAY_SIZE = re.compile(r"^MaxArraySize\s*=\s*(\d+)\s*$", re.MULTILINE)

_UNSURE = ("Socket timed out", "Zero Bytes were transmitted", "Unexpected message received")
_BUSY = (
    "Unable to contact slurm controller",
    "temporarily unable to accept job",
    "Resource temporarily unavailable",
    "Connection refused",
    "Connection timed out",
    "standby mode",
    "MaxJobCount",
)
_FULL = ("SubmitJob",)  # AssocMaxSubmitJobLimit, QOSGrpSubmitJobsLimit and their like
_NO_SUCH_JOB = ("Invalid job id", "already completing or completed", "Job/step already")


def job_id(answer: Answer) -> str:
    """The id of a job, with its cluster where there are several: "123" or "123;cluster".

    Sites' own wrappers of ``sbatch`` print lines around it.

    Raises:
        UnreadableError: there is none.
    """
    for line in reversed(answer.stdout.splitlines()):
        if match := _PARSABLE.fullmatch(line):
            return match[1]
    if match := _PROSE.search(answer.stdout):
        return f"{match[1]};{match[2]}" if match[2] else match[1]
    raise UnreadableError(f"no id of a job in {answer.stdout!r}")


def verdict(answer: Answer) -> Verdict:
    """What it means that ``sbatch`` failed."""
    said = answer.stderr + answer.stdout
    if any(words in said for words in _UNSURE):
        return Verdict.UNSURE
    if any(words in said for words in _FULL):
        return Verdict.FULL
    return Verdict.BUSY if any(words in said for words in _BUSY) else Verdict.REFUSED


def knows_none(answer: Answer) -> bool:
    """True when the only trouble is that jobs have ended or are not known."""
    complaints = [line for line in answer.stderr.splitlines() if line.strip()]
    return bool(complaints) and all(
        any(words in line for words in _NO_SUCH_JOB) for line in complaints
    )


def array_limit(text: str) -> int | None:
    """The most workers of an array, from the site's configuration; None when it does not say.

    ``MaxArraySize`` is above the highest index, and ours begin with 1.
    """
    match = _ARRAY_SIZE.search(text)
    return max(1, int(match[1][:9]) - 1) if match else None


def split_id(job: str) -> tuple[str, str]:
    """A job's id and its cluster, which is empty where there is one only."""
    number, _, cluster = job.partition(";")
    return number, cluster


def element(job: str, index: int | None) -> str:
    """SLURM's name of a job or of an element of an array."""
    number, cluster = split_id(job)
    name = number if index is None else f"{number}_{index}"
    return f"{name};{cluster}" if cluster else name


def to_cancel(handles: Sequence[Handle]) -> str:
    """The shortest name of some elements of one submission: "7", "7_3" or "7_[1-3,8]"."""
    number, _ = split_id(handles[0].job)
    indices = sorted({handle.index for handle in handles if handle.index is not None})
    if not indices or len(indices) == handles[0].count:
        return number
    return f"{number}_[{ranges(indices)}]" if len(indices) > 1 else f"{number}_{indices[0]}"


def ranges(numbers: Iterable[int]) -> str:
    """Ascending numbers as SLURM writes them: "1-3,8"."""
    runs = groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    parts = []
    for _, group in runs:
        run = [number for _, number in group]
        parts.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
    return ",".join(parts)
