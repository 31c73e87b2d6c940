"""Reads what Grid Engine's commands print, apart from states. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from crew_cluster._cluster.commands import Answer
from crew_cluster._cluster.job import Handle
from crew_cluster._cluster.scheduler import UnreadableError, Verdict

_TERSE = re.compile(r"\s*(\d+)(?:\.\d+-\d+:\d+)?\s*")
_PROSE = re.compile(r"Your job(?:-array)? (\d+)\b")
_ARRAY_TASKS = re.compile(r"^max_aj_tasks\s+(\d{1,9})\s*$", re.MULTILINE)

_TOO_MANY_JOBS = 25  # qsub's exit code
_UNSURE = ("failed receiving gdi request", "got read error", "timeout")
_BUSY = (
    "unable to send message to qmaster",
    "unable to contact qmaster",
    "got select error",
    "Connection refused",
)
_FULL = ("jobs are allowed per user", "jobs are allowed in the system")
_DONE = ("has registered", "has deleted", "does not exist", "already in deletion")


def job_id(answer: Answer) -> str:
    """The id of a job, of an array without its indices.

    Sites' own wrappers of ``qsub``, and its scripts that look at each job, print lines around it.

    Raises:
        UnreadableError: there is none.
    """
    for line in reversed(answer.stdout.splitlines()):
        if match := _TERSE.fullmatch(line):
            return match[1]
    if match := _PROSE.search(answer.stdout):
        return match[1]
    raise UnreadableError(f"no id of a job in {answer.stdout!r}")


def verdict(answer: Answer) -> Verdict:
    """What it means that ``qsub`` failed."""
    said = answer.stderr + answer.stdout
    if answer.returncode == _TOO_MANY_JOBS or any(words in said for words in _FULL):
        return Verdict.FULL
    if any(words in said for words in _BUSY):
        return Verdict.BUSY
    return Verdict.UNSURE if any(words in said for words in _UNSURE) else Verdict.REFUSED


def is_cancelled(answer: Answer) -> bool:
    """True when ``qdel`` did it, or there was nothing left to do for some jobs."""
    lines = [line for line in (answer.stdout + "\n" + answer.stderr).splitlines() if line.strip()]
    if not lines:
        return answer.returncode == 0
    return all(any(words in line for words in _DONE) for line in lines)


def array_limit(text: str) -> int | None:
    """The most workers of an array, from the site's configuration; None when it sets none."""
    match = _ARRAY_TASKS.search(text)
    return int(match[1]) or None if match else None


def element(job: str, index: int | None) -> str:
    """Grid Engine's name of a job or of an element of an array."""
    return job if index is None else f"{job}.{index}"


def to_cancel(handles: Sequence[Handle]) -> list[str]:
    """The fewest names of some elements of one submission: "7", or "7.1-3" and "7.8"."""
    job = handles[0].job
    indices = sorted({handle.index for handle in handles if handle.index is not None})
    if not indices or len(indices) == handles[0].count:
        return [job]
    return [f"{job}.{first}" if first == last else f"{job}.{first}-{last}"
            for first, last in _runs(indices)]  # fmt: skip


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """The first and the last of all numbers that follow one another."""
    groups = groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    runs = [[number for _, number in group] for _, group in groups]
    return [(run[0], run[-1]) for run in runs]
