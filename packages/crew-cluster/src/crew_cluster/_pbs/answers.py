"""Reads what PBS's commands print, apart from states, and names jobs as they do. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from crew_cluster._cluster.commands import Answer
from crew_cluster._cluster.job import Handle
from crew_cluster._cluster.scheduler import UnreadableError, Verdict, by_job

_ID = re.compile(r"\d+(\[\])?(\.[\w.-]+)?", re.ASCII)
_ARRAY_LIMIT = re.compile(r"^\s*max_(?:job_)?array_size\s*=\s*(\d{1,9})\s*$", re.MULTILINE)

_SERVER_DOWN = 162

_UNSURE = (
    "End of File",
    "Premature end of message",
    "Protocol (ASN.1) error",
    "Communication failure",
    "Timed out",
)
_BUSY = (
    "cannot connect to server",
    "Connection refused",
    "Connection reset",
    "Connection timed out",
    "Resource temporarily unavailable",
)
_FULL = ("Maximum number of jobs already in", "would exceed")

_UNKNOWN = ("Unknown Job Id", "Job has finished", "has finished")
_ENDING = "Request invalid for state of job"
_NO_HISTORY = "not configured to maintain job history"


def job_id(answer: Answer) -> str:
    """The id of a job, whole: "123.server", and of an array "123[].server".

    Sites' own wrappers of ``qsub`` print lines around it.

    Raises:
        UnreadableError: there is none.
    """
    for line in reversed(answer.stdout.splitlines()):
        if _ID.fullmatch(line.strip()):
            return line.strip()
    raise UnreadableError(f"no id of a job in {answer.stdout!r}")


def ids(answer: Answer) -> list[str]:
    """All ids of a list with one on each line."""
    return [word for line in answer.stdout.splitlines() if _ID.fullmatch(word := line.strip())]


def verdict(answer: Answer) -> Verdict:
    """What it means that ``qsub`` failed."""
    said = answer.stderr + answer.stdout
    if any(words in said for words in _UNSURE):
        return Verdict.UNSURE
    if any(words in said for words in _FULL):
        return Verdict.FULL
    if answer.returncode == _SERVER_DOWN or any(words in said for words in _BUSY):
        return Verdict.BUSY
    return Verdict.REFUSED


def element(job: str, index: int | None) -> str:
    """PBS's name of a job or of an element of an array."""
    if index is None:
        return job
    number, brackets, rest = job.partition("[]")
    if brackets:
        return f"{number}[{index}]{rest}"
    number, dot, server = job.partition(".")
    return f"{number}[{index}]{dot}{server}"


def is_whole_array(job: str) -> bool:
    """True for the id of an array: "123[].server"."""
    return "[]" in job


def core(name: str) -> str:
    """A job's name without that of its server, which commands write more or less of."""
    return name.partition(".")[0]


def is_same(one: str, other: str) -> bool:
    """True when two names are of one job, though one has less of the server's name."""
    first, _, host = one.partition(".")
    second, _, rest = other.partition(".")
    if first != second:
        return False
    return (
        not (host and rest)
        or f"{host}.".startswith(f"{rest}.")
        or f"{rest}.".startswith(f"{host}.")
    )


def to_cancel(handles: Sequence[Handle]) -> list[str]:
    """The fewest names of these: of an array, its own when all of it is meant."""
    names: list[str] = []
    for job, group in by_job(handles).items():
        whole = len(group) == group[0].count
        names += [job] if whole else [element(job, handle.index) for handle in group]
    return names


def knows_none(answer: Answer, *, ending: bool = False) -> bool:
    """True when the only trouble is that jobs are over or not known; or are about to end."""
    fine = (*_UNKNOWN, _ENDING) if ending else _UNKNOWN
    complaints = [line for line in answer.stderr.splitlines() if line.strip()]
    return bool(complaints) and all(any(w in line for w in fine) for line in complaints)


def unknown(answer: Answer, asked: Iterable[str]) -> list[str]:
    """Which of those asked for are complained of."""
    complaints = [line.split() for line in answer.stderr.splitlines() if "Unknown Job" in line]
    named = {word.strip(":,") for words in complaints for word in words}
    return [job for job in asked if any(is_same(job, word) for word in named if core(word))]


def keeps_no_history(answer: Answer) -> bool:
    """True when the site forgets jobs as they end, and has said only that."""
    return _NO_HISTORY in answer.stderr


def array_limit(text: str) -> int | None:
    """The most workers of an array, from the server's attributes; None when it does not say."""
    match = _ARRAY_LIMIT.search(text)
    return max(1, int(match[1])) if match else None
