"""Reads what TORQUE's commands print, apart from states, where PBS's do otherwise. Pure.

SLURM has commands of the same names for users of TORQUE. They name an array by a number, "17", and
each of its jobs by another one, which they tell to nobody but the job.
"""

from __future__ import annotations

from crew_cluster._cluster.commands import Answer
from crew_cluster._cluster.scheduler import Verdict
from crew_cluster._pbs import answers

UNKNOWN = 153
"""The exit code when none of the jobs is known."""

_UNSURE = ("Socket timed out", "Zero Bytes were transmitted")
_BUSY = (
    "Unable to contact slurm controller",
    "temporarily unable to accept job",
    "MaxJobCount",
)
_FULL = ("SubmitJob",)  # AssocMaxSubmitJobLimit, QOSGrpSubmitJobsLimit and their like


def verdict(answer: Answer) -> Verdict:
    """What it means that ``qsub`` failed."""
    said = answer.stderr + answer.stdout
    if any(words in said for words in _UNSURE):
        return Verdict.UNSURE
    if any(words in said for words in _FULL):
        return Verdict.FULL
    return Verdict.BUSY if any(words in said for words in _BUSY) else answers.verdict(answer)


def tells_of_none(answer: Answer) -> bool:
    """True when all that is wrong is that jobs are over or not known."""
    if answer.returncode == UNKNOWN and not answer.stderr.strip():
        return True
    return answers.knows_none(answer)


def cancelled(answer: Answer) -> bool:
    """True when ``qdel`` did what it could: it complains, or is silent, of what is over."""
    if answer.returncode == 0 or not (answer.stdout + answer.stderr).strip():
        return True
    return not answer.stdout.strip() and answers.knows_none(answer, ending=True)
